"""A deployment whose stored ledgers a test alters as only the owner of the tables can."""

from hashlib import sha256
from typing import Any

import asyncpg
import httpx
import pytest
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import LedgerRefused
from governlayer_server.domain.key_terms import KeyTerms
from governlayer_server.domain.ledger.audit import after, facts_of
from governlayer_server.domain.ledger.chain import empty_head
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.ledger.tree import edge_bytes
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.settings import Settings
from governlayer_server.usecases.fsck_ledger import Fsck
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from governlayer_server.web.links import Links
from governlayer_server.wiring import Appliance, open_appliance

QUESTION: dict[str, object] = {
    "stage": "input",
    "agent": {"id": "a"},
    "action": {"name": "chat"},
    "content": [{"role": "user", "text": "x"}],
}


class Place:
    """A deployment that can be opened again and again, and its tables as their owner."""

    def __init__(self, settings: Settings, tables: "asyncpg.Connection[Any]") -> None:
        self.settings = settings
        self.tables = tables
        self.evidence = settings.ledgers.evidence
        assert settings.anchors.directory is not None
        self.outside = settings.anchors.directory

    async def found(self, *names: str) -> list[Organization]:
        async with open_appliance(self.settings) as appliance:
            return [await appliance.create_organization(n, Plan.ENTERPRISE, f"{n}@example.org", None) for n in names]

    async def grow(self, organization: Organization, count: int) -> None:
        async with open_appliance(self.settings) as appliance:
            for number in range(count):
                body = {"number": number}
                await record(appliance, str(organization.id), body)

    async def decide(self, organization: Organization, count: int = 1) -> list[httpx.Response]:
        """Ask over HTTP, after the check that a server does at its start."""
        async with open_appliance(self.settings) as appliance:
            await appliance.check_ledgers(lambda *_: None)
            terms = KeyTerms(name="key", scopes=[Scope.GOVERN, Scope.AUDIT])
            try:
                made = await appliance.manage_keys.create(SYSTEM, organization.id, terms)
            except LedgerRefused:
                pytest.fail("a key is needed before the ledger is closed")
            return [await ask(appliance, self.settings, made.key) for _ in range(count)]

    async def publish(self, ledger_id: str, *, outside: bool = False) -> str:
        """Sign and keep a checkpoint of the ledger as it stands."""
        async with open_appliance(self.settings) as appliance:
            if not outside:
                published = await appliance.publish_checkpoints.one(ledger_id)
                assert published is not None
                return published.note
            head = await appliance.ledger.head(ledger_id)
            note = sign_checkpoint(appliance.parts.signer, head)
            folder = self.outside / sha256(head.origin.encode()).hexdigest()
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{head.size}.note").write_text(note, encoding="utf-8")
            return note

    async def closed(self) -> list[str]:
        async with open_appliance(self.settings) as appliance:
            return list(await appliance.check_ledgers(lambda *_: None))

    async def steps(self, organization: Organization) -> set[str]:
        """What the check at a start finds; nothing is closed."""
        async with open_appliance(self.settings) as appliance:
            return {one.step for one in (await appliance.checks.check.findings(str(organization.id))).findings}

    async def fsck(self, organization: Organization) -> Fsck:
        async with open_appliance(self.settings) as appliance:
            return await appliance.checks.fsck(str(organization.id), organization.id)

    async def tamper(self, *statements: str) -> None:
        """What nobody may do, and who owns the tables can."""
        for table in ("ledger", "ledger_record", "ledger_tile", "ledger_checkpoint"):
            await self.tables.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            await self.tables.execute(statement)


def mine(organization: Organization) -> str:
    """Return the condition for the rows of the organization's ledger."""
    return f"ledger_id = '{organization.id}'"


async def record(appliance: Appliance, ledger_id: str, body: dict[str, object]) -> None:
    parts = appliance.parts
    await record_event(appliance.ledger, parts.clock, parts.entropy, ledger_id, SYSTEM, "decision.outcome", body)


async def ask(
    appliance: Appliance, settings: Settings, key: str, question: dict[str, object] = QUESTION, **headers: str
) -> httpx.Response:
    transport = httpx.ASGITransport(app=await appliance.application(settings, Links("http://test")))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        given = {"Authorization": f"Bearer {key}", **headers}
        return await client.post("/v1/govern", json=question, headers=given)


async def rewrite(place: Place, organization: Organization) -> None:
    """Make the last two records anew, chain, tree and head with them, as the appliance itself would."""
    condition = mine(organization)
    size = int(await place.tables.fetchval(f"SELECT max(seq) + 1 FROM ledger_record WHERE {condition}"))
    async with open_appliance(place.settings) as appliance:
        rows = await appliance.checks.check.audit.rows(str(organization.id), 0, size - 3)
        origin = (await appliance.ledger.head(str(organization.id))).origin
    head = empty_head(origin)
    for row in rows:
        head = after(head, row, facts_of(row.canonical))
    await place.tamper(f"DELETE FROM ledger_record WHERE {condition} AND seq >= {size - 2}")
    await place.tables.execute(
        "UPDATE ledger SET size = $2, head_hash = $3, head_time_us = $4, edge = $5 WHERE id = $1",
        str(organization.id), head.size, head.hash, head.time_us, edge_bytes(head.edge),
    )  # fmt: skip
    await place.grow(organization, 2)


async def backed_up(place: Place, organization: Organization) -> asyncpg.Record:
    """Return the head of the organization's ledger, to put it back to."""
    head = await place.tables.fetchrow("SELECT * FROM ledger WHERE id = $1", str(organization.id))
    assert head is not None
    return head


async def put_back(place: Place, organization: Organization, backup: asyncpg.Record) -> None:
    """Put the database back to where it was when the ledger had the head *backup*."""
    condition, size = mine(organization), backup["size"]
    await place.tamper(
        f"DELETE FROM ledger_record WHERE {condition} AND seq >= {size}",
        f"DELETE FROM ledger_tile WHERE {condition} AND (n + 1) * 256 > {size}",
        f"DELETE FROM ledger_restore WHERE {condition} AND kept >= {size}",
    )
    await place.tables.execute(
        "UPDATE ledger SET size = $2, head_hash = $3, head_time_us = $4, edge = $5 WHERE id = $1",
        str(organization.id), size, backup["head_hash"], backup["head_time_us"], backup["edge"],
    )  # fmt: skip


async def cut_off_after(place: Place, organization: Organization, lost: int) -> None:
    """Keep a checkpoint outside, then put the database back to where it was some records before."""
    backup = await backed_up(place, organization)
    await place.grow(organization, lost)
    await place.publish(str(organization.id), outside=True)
    await put_back(place, organization, backup)
