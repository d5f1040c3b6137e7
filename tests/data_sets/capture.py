"""
Write a data set: all rows of a small deployment that this version has made and used.

    python -m tests.data_sets.capture m0011

Named for the newest migration. The tests of migrations start from it and from earlier ones; make one when what is
stored has changed, and keep those that there are: later versions never make such rows again.
"""

import asyncio
import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.domain.access import Scope
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.settings import Settings
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance

from tests.fakes.servers import Servers, migrate
from tests.server.conftest import settings_on

PLACE = Path(__file__).parent
EMAIL, PASSWORD = "owner@acme.example", "quiet otters vote at nine"
TEXT = "When do you open on Sundays?"
QUESTION = {
    "stage": "input", "agent": {"id": "front-desk"}, "action": {"name": "chat"}, "data_subjects": ["ann"],
    "content": [{"role": "user", "text": TEXT}],
}  # fmt: skip
EVENTS = 260
"""Enough for a tile."""
# What no traffic of a sound deployment makes, in the ledger of an organization that nothing else is asked of.
RARE = """
INSERT INTO ledger_cosignature SELECT ledger_id, size, 'w+00000000', 'line', 1 FROM ledger_checkpoint WHERE ledger_id = $1;
INSERT INTO ledger_timestamp SELECT ledger_id, size, 'token', 1 FROM ledger_checkpoint WHERE ledger_id = $1;
INSERT INTO ledger_fork SELECT ledger_id, size, size, root, root, 1 FROM ledger_checkpoint WHERE ledger_id = $1;
INSERT INTO ledger_refusal VALUES ($1, 1, '{}', 2);
INSERT INTO ledger_restore VALUES ($1, 1, 2, 3)
"""


async def use(appliance: Appliance, settings: Settings, tables: "asyncpg.Connection[Any]") -> dict[str, Any]:
    """Use the deployment in every way that leaves rows; return what opens it later."""
    acme = await appliance.create_organization("Acme", Plan.ENTERPRISE, EMAIL, PASSWORD)
    other = await appliance.create_organization("Umbrella", Plan.FREE, "owner@umbrella.example", None)
    made = await appliance.manage_keys.create(SYSTEM, acme.id, KeyTerms(name="key", scopes=(Scope.GOVERN, Scope.AUDIT)))
    transport = httpx.ASGITransport(app=await appliance.application(settings, Links("http://test")))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        decisions = [await decide(client, made.key, once) for once in ("one", "two")]
        signed_in = await client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        token = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        invited = await client.post("/v1/users", json={"email": "new@acme.example", "role": "viewer"}, headers=token)
        assert invited.status_code == 201, invited.text
    await grow(appliance, acme)
    for organization in (acme, other):
        assert await appliance.publish_checkpoints.one(str(organization.id))
    for statement in RARE.split(";"):
        await tables.execute(statement, str(other.id))
    if hasattr(appliance, "erasures"):
        await appliance.erasures.erase.subject(SYSTEM, acme.id, "bob", "GDPR Art. 17(1)(a)")
    return {"organization": str(acme.id), "key": made.key, "decisions": decisions}


async def decide(client: httpx.AsyncClient, key: str, once: str) -> str:
    question = {**QUESTION, "data_subjects": ["ann"] if once == "one" else ["bob"]}
    answer = await client.post("/v1/govern", json=question, headers={"X-API-Key": key, "Idempotency-Key": once})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["decision_id"])


async def grow(appliance: Appliance, organization: Organization) -> None:
    for number in range(EVENTS):
        await record_event(
            appliance.ledger, appliance.parts.clock, appliance.parts.entropy, str(organization.id), SYSTEM,
            "decision.outcome", {"number": number},
        )  # fmt: skip
    await TileLedger(ledger=appliance.ledger).one(str(organization.id))


async def rows(tables: "asyncpg.Connection[Any]") -> dict[str, list[Any]]:
    names = await tables.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    found = {row["name"]: await tables.fetch(f"SELECT to_jsonb(t)::text FROM {row['name']} t") for row in names}
    found.pop("migration")
    return {name: [json.loads(row[0]) for row in all_rows] for name, all_rows in found.items()}


async def captured(servers: Servers, place: Path) -> dict[str, Any]:
    await migrate(servers)
    settings = settings_on(servers, place)
    tables = await asyncpg.connect(**servers.owner.options())
    async with open_appliance(settings) as appliance:
        known = await use(appliance, settings, tables)
    applied = [row["name"] for row in await tables.fetch("SELECT name FROM migration ORDER BY name")]
    found = await rows(tables)
    await tables.close()
    assert [name for name, of in found.items() if not of] == [], "a table without any row"
    return {"migrations": applied, **known, "rows": found}


async def main(name: str, place: Path) -> None:
    directory = DataDirectory.open(place / "data")
    postgres, redis = EmbeddedPostgres(directory), EmbeddedRedis(directory)
    with directory.lock():
        await asyncio.gather(postgres.start(), redis.start())
        try:
            servers = Servers(owner=postgres.owner, app=postgres.app, admin=postgres.admin, redis=redis.login)
            written = json.dumps(await captured(servers, place), sort_keys=True, separators=(",", ":")).encode()
            (PLACE / f"{name}.json.gz").write_bytes(gzip.compress(written, mtime=0))
        finally:
            await asyncio.gather(postgres.stop(), redis.stop())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gl-capture-") as scratch:
        Path(scratch).chmod(0o755)
        asyncio.run(main(sys.argv[1], Path(scratch)))
