"""Legal holds, retention and exports of data subjects over the real PostgreSQL and the real vault."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from governlayer_server.adapters.postgres.sealed_rows import PostgresSealedTable
from governlayer_server.domain.errors import CipherError, UnderLegalHold
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization, OrganizationSettings
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Place
from governlayer_server.settings import Settings
from governlayer_server.usecases.evaluate import Evaluate
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.usecases.govern import Govern
from governlayer_server.usecases.manage_holds import HoldTerms
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.appliance import action, principal_of
from tests.fakes.clock import FakeClock
from tests.fakes.policy_engine import ScriptedEngine
from tests.fakes.servers import Servers

BASIS = "GDPR Art. 17(1)(a)"


class Archive:
    def __init__(self, appliance: Appliance, organization: Organization, tables: "asyncpg.Connection[Any]") -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id
        self.tables = tables
        self.govern = Govern(
            evaluate=Evaluate(engine=ScriptedEngine("allow"), clock=appliance.parts.clock),
            ledger=appliance.ledger,
            running=appliance.manage_keys.once.running,
            signer=appliance.parts.signer,
            **appliance.parts.common,
        )

    async def decide(self, *names: str) -> int:
        answered = await self.govern(principal_of(self.organization), action("text", data_subjects=list(names)), None)
        assert answered.decision.ledger is not None
        return answered.decision.ledger.seq

    async def hold(self, **terms: Any) -> Any:
        return await self.appliance.holds.manage.create(SYSTEM, self.id, HoldTerms(reason="a lawsuit", **terms))

    async def retain(self, days: int, passed: int) -> int:
        """Apply a retention of so many days, so many days from now."""
        clock = FakeClock(self.appliance.parts.clock.now_us() + passed * DAY_US)
        settings = OrganizationSettings(retention_days=days, retention_reason=BASIS)
        apply = replace(self.appliance.holds.retention, clock=clock, batch=3)
        return await apply.one(replace(self.organization, settings=settings))

    async def dump(self) -> list[dict[str, Any]]:
        export = await self.appliance.export_ledger(SYSTEM, self.id, names=PAYLOAD_NAMES)
        return [json.loads(line) async for line in export.lines]

    async def with_payloads(self) -> set[int]:
        return {line["payload"]["seq"] for line in await self.dump() if "payload" in line}

    async def export(self, name: str) -> list[dict[str, Any]]:
        export = await self.appliance.holds.export_subject(SYSTEM, self.id, name)
        return [json.loads(line) async for line in export.lines]


@pytest.fixture
async def archive(migrated: Settings, migrated_database: Servers) -> AsyncIterator[Archive]:
    tables = await asyncpg.connect(**migrated_database.owner.options())
    async with open_appliance(migrated) as appliance:
        organization = await appliance.create_organization("Acme", Plan.PRO, "owner@example.com", None)
        yield Archive(appliance, organization, tables)
    await tables.close()


async def test_an_erasure_and_retention_leave_what_is_held_and_take_the_rest(archive: Archive) -> None:
    seqs = [await archive.decide(*names) for names in (("ann",), ("bob",), ("ann", "bob"), (), ("carol",))]
    hold = await archive.hold(data_subject="ann")
    for name in ("ann", "bob"):
        with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
            await archive.appliance.erasures.erase.subject(SYSTEM, archive.id, name, BASIS)
    assert await archive.with_payloads() == set(seqs)
    await archive.appliance.erasures.erase.subject(SYSTEM, archive.id, "carol", BASIS)
    assert await archive.retain(days=10, passed=9) == 0
    assert await archive.retain(days=10, passed=11) == 2
    assert await archive.with_payloads() == {seqs[0], seqs[2]}
    await archive.appliance.holds.manage.release(SYSTEM, archive.id, hold.stored.id, "settled")
    assert await archive.retain(days=10, passed=11) == 2
    assert await archive.with_payloads() == set()
    assert await archive.tables.fetchval("SELECT count(*) FROM subject_key") == 0
    report = await archive.appliance.checks.fsck(str(archive.id), archive.id)
    assert report.is_sound, report


async def test_replicas_that_apply_retention_at_once_while_decisions_go_on_destroy_each_once(archive: Archive) -> None:
    seqs = [await archive.decide("ann") for _ in range(12)]

    async def decide() -> list[int]:
        return [await archive.decide("ann") for _ in range(6)]

    # Days pass for the replicas, not for the ledger: what is decided meanwhile expires too, once or not at all.
    *counts, meanwhile = await asyncio.gather(*(archive.retain(days=1, passed=2) for _ in range(3)), decide())
    lines = await archive.dump()
    bodies = [line["body"] for line in lines if line.get("type") == "retention"]
    ranges = [seq for body in bodies for first, last in body["ranges"] for seq in range(first, last + 1)]
    assert len(ranges) == len(set(ranges)) == sum(counts)  # type: ignore[arg-type]
    assert set(seqs) <= set(ranges)
    kept = {line["payload"]["seq"] for line in lines if "payload" in line}
    assert kept == set(meanwhile) - set(ranges)


async def test_why_there_is_a_hold_is_not_in_the_database_and_goes_with_the_data_subject(archive: Archive) -> None:
    await archive.decide("ann")
    hold = await archive.hold(data_subject="ann")
    row = await archive.tables.fetchrow("SELECT * FROM legal_hold")
    assert row is not None
    assert "lawsuit" not in str(dict(row))
    await archive.appliance.holds.manage.release(SYSTEM, archive.id, hold.stored.id, "Ann has settled")
    shown = await archive.appliance.holds.manage.one(archive.id, hold.stored.id)
    assert (shown.reason, shown.data_subject, shown.release_reason) == ("a lawsuit", "ann", "Ann has settled")
    await archive.appliance.erasures.erase.subject(SYSTEM, archive.id, "ann", BASIS)
    shown = await archive.appliance.holds.manage.one(archive.id, hold.stored.id)
    assert (shown.reason, shown.data_subject, shown.release_reason) == (None, None, None)


async def test_why_there_is_a_hold_is_encrypted_anew_when_the_data_key_rotates(archive: Archive) -> None:
    dead = await archive.hold(data_subject="ann")
    await archive.appliance.holds.manage.release(SYSTEM, archive.id, dead.stored.id, "settled")
    await archive.appliance.erasures.erase.subject(SYSTEM, archive.id, "ann", BASIS)
    hold = await archive.hold(data_subject="bob")
    released = await archive.hold()
    released = await archive.appliance.holds.manage.release(SYSTEM, archive.id, released.stored.id, "over")
    table = PostgresSealedTable(archive.appliance.parts.database, "legal_hold")
    rows = await table.page(str(archive.id), 99, "", 10)
    assert {row.row.rpartition("/")[2] for row in rows} == {"created", "released"}
    assert len(rows) == 3
    assert await table.page(str(archive.id), 99, rows[1].position, 10) == rows[2:]
    vault = archive.appliance.parts.vault
    fresh = []
    for row in rows:
        place = Place(organization_id=archive.id, table="legal_hold", column="sealed", row=row.row)
        named = (hold.stored.scope.subject_id,) if str(hold.stored.id) in row.row else ()
        fresh.append((row, await vault.seal(place, await vault.open(place, row.sealed), named)))
    await table.replace(str(archive.id), fresh)
    after = await table.page(str(archive.id), 99, "", 10)
    assert [row.sealed for row in after] == [sealed for _, sealed in fresh]
    shown = [await archive.appliance.holds.manage.one(archive.id, one.stored.id) for one in (hold, released)]
    assert [(one.reason, one.release_reason) for one in shown] == [("a lawsuit", None), ("a lawsuit", "over")]


async def test_an_organization_under_hold_is_not_erased_and_afterwards_nobody_can_read_why_it_was(
    archive: Archive,
) -> None:
    hold = await archive.hold(first_seq=0, last_seq=5)
    await archive.appliance.manage_organizations.close(archive.id)
    with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
        await archive.appliance.erasures.erase.organization(SYSTEM, archive.id, BASIS)
    await archive.appliance.holds.manage.release(SYSTEM, archive.id, hold.stored.id, "settled")
    await archive.appliance.erasures.erase.organization(SYSTEM, archive.id, BASIS)
    assert await archive.tables.fetchval("SELECT count(*) FROM data_key WHERE owner = $1", str(archive.id)) == 0


async def test_an_export_holds_what_names_the_data_subject_and_stops_where_it_is_erased_meanwhile(
    archive: Archive,
) -> None:
    first = await archive.decide("ann")
    await archive.decide("bob")
    both = await archive.decide("ann", "bob")
    head, *records, end = await archive.export("ann")
    assert [one["record"]["seq"] for one in records] == [first, both]
    assert (head["subject_export"]["records"], end) == (2, {"end": {"records": 2}})
    assert all(one["record"]["receipt"].startswith("c2sp.org/tlog-proof@v1\n") for one in records)
    export = await archive.appliance.holds.export_subject(SYSTEM, archive.id, "ann")
    lines = [await anext(export.lines), await anext(export.lines)]
    await archive.appliance.erasures.erase.subject(SYSTEM, archive.id, "ann", BASIS)
    try:
        lines += [line async for line in export.lines]
    except CipherError:
        assert b'"end"' not in lines[-1]
    assert b"".join(lines).count(b'"text"') <= b"".join(lines[:2]).count(b'"text"') + 2
