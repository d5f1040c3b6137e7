"""
What earlier versions stored, at every schema that there was, brought up to date: all of it reads, opens and verifies.

The rows were written by the versions themselves (tests/data_sets).
"""

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import governlayer_verifier
import httpx
import pytest
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance

from tests.data_sets.capture import EMAIL, PASSWORD, QUESTION, TEXT
from tests.data_sets.load import ALL, LEVELS, SEALED, DataSet, data_sets, fill
from tests.fakes.servers import Servers, address
from tests.server.conftest import settings_on

UNSEALED = {"app_user", "api_key"}
"""Tables that must be empty before users and keys are sealed."""


async def migrated(servers: Servers) -> list[str]:
    owner = await connect(address(servers.owner), patient=True)
    try:
        return await apply_migrations(owner)
    finally:
        await owner.close()


async def empty_tables(servers: Servers) -> set[str]:
    tables = await asyncpg.connect(**servers.owner.options())
    names = [row[0] for row in await tables.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    found = {name for name in names if not await tables.fetchval(f"SELECT count(*) FROM {name}")}
    await tables.close()
    return found


async def verified(appliance: Appliance, organization_id: UUID) -> tuple[governlayer_verifier.Report, list[Any]]:
    """Dump the ledger, have it verified, and return its payloads too."""
    export = await appliance.export_ledger(SYSTEM, organization_id, names=PAYLOAD_NAMES)
    lines = [line async for line in export.lines]
    keys = [one.vkey for one in await appliance.parts.ledger_keys.all()]
    origin = (await appliance.ledger.head(str(organization_id))).origin
    report = governlayer_verifier.verify(io.BytesIO(b"".join(lines)), keys=keys, origin=origin)
    return report, [json.loads(line) for line in lines if line.startswith(b'{"payload":')]


@pytest.mark.parametrize("level", LEVELS)
async def test_what_was_stored_at_an_earlier_level_is_whole_after_the_migration(
    empty_database: Servers, tmp_path: Path, level: str
) -> None:
    stored = await fill(empty_database, level)
    assert await empty_tables(empty_database) & set(data_sets()[-1].rows) == (UNSEALED if level < SEALED else set())
    assert await migrated(empty_database) == [one for one in ALL if one > level]
    settings = settings_on(empty_database, tmp_path)
    async with open_appliance(settings) as appliance:
        for ledger_id, organization_id in (("system", None), (stored.organization, UUID(stored.organization))):
            checked = await appliance.checks.fsck(ledger_id, organization_id)
            assert checked.is_sound, checked.findings
        report, payloads = await verified(appliance, UUID(stored.organization))
        assert report.verdict == "valid", report.as_text()
        assert any(TEXT in json.dumps(one) for one in payloads)
        transport = httpx.ASGITransport(app=await appliance.application(settings, Links("http://test")))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            if level >= SEALED:
                await assert_people_and_keys_are_known(client, stored)


async def assert_people_and_keys_are_known(client: httpx.AsyncClient, stored: DataSet) -> None:
    signed_in = await client.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert signed_in.status_code == 200, signed_in.text
    users = await client.get("/v1/users", headers={"Authorization": f"Bearer {signed_in.json()['access_token']}"})
    assert {one["email"] for one in users.json()["data"]} >= {EMAIL, "new@acme.example"}
    key = {"X-API-Key": stored.key}
    again = await client.post("/v1/govern", json=QUESTION, headers={**key, "Idempotency-Key": "one"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true"), again.text
    assert again.json()["decision_id"] == stored.decisions[0]
    new = await client.post("/v1/govern", json=QUESTION, headers=key)
    assert new.json()["decision"] == "allow", new.text
