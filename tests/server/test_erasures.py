"""Erasures over the real PostgreSQL and the real vault: dumps, fsck, others at work, restores."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID, uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres import vacuum
from governlayer_server.domain.erasure import ErasureKind, Target
from governlayer_server.domain.errors import NotFound, Unavailable
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger_keys import Algorithm
from governlayer_server.settings import LedgerSettings, Settings
from governlayer_server.usecases.evaluate import Evaluate
from governlayer_server.usecases.govern import Govern
from governlayer_server.usecases.reapply_erasures import Reapplied
from governlayer_server.wiring import Appliance, open_appliance
from msgspec.structs import replace

from tests.fakes.appliance import action, principal_of
from tests.fakes.policy_engine import ScriptedEngine
from tests.fakes.servers import Servers

BASIS = "GDPR Art. 17(1)(a)"
NAMES = ["arguments", "content", "context", "findings"]
PLANT = """
INSERT INTO tombstone (id, ledger_id, kind, facts, certificate, places, finished_us, vacuumed_us)
SELECT $1, ledger_id, kind, facts, $2, places, 1, 1 FROM tombstone
"""


class Office:
    """An organization that decides about people."""

    def __init__(self, appliance: Appliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id
        self.govern = Govern(
            evaluate=Evaluate(engine=ScriptedEngine("allow"), clock=appliance.parts.clock),
            ledger=appliance.ledger,
            running=appliance.manage_keys.once.running,
            signer=appliance.parts.signer,
            **appliance.parts.common,
        )

    async def decide(self, *names: str) -> UUID:
        asked = action("text", data_subjects=list(names))
        answered = await self.govern(principal_of(self.organization), asked, None)
        return UUID(answered.decision.decision_id)

    async def erase(self, name: str) -> set[int]:
        """Erase a data subject; return the seqs that the tombstone names."""
        erased = await self.appliance.erasures.erase.subject(SYSTEM, self.id, name, BASIS)
        return {seq for first, last in erased.erasure.tombstone.ranges for seq in range(first, last + 1)}

    async def dump(self) -> list[dict[str, Any]]:
        export = await self.appliance.export_ledger(SYSTEM, self.id, names=NAMES)
        return [json.loads(line) async for line in export.lines]

    async def with_payloads(self) -> set[int]:
        return {line["payload"]["seq"] for line in await self.dump() if "payload" in line}

    async def decided(self) -> set[int]:
        return {line["seq"] for line in await self.dump() if line.get("type") == "decision"}

    async def assert_sound(self) -> None:
        found = await self.appliance.checks.fsck(str(self.id), self.id)
        assert list(found.findings) == []


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Office]:
    """The office in a database that may have been one already."""
    async with open_appliance(settings) as appliance:
        found = list(await appliance.accounts.organizations())
        if not found:
            found = [await appliance.create_organization("Acme", Plan.PRO, "owner@example.com", None)]
        yield Office(appliance, found[0])


@pytest.fixture
def erasing(migrated: Settings, tmp_path: Path) -> Settings:
    return replace(migrated, ledgers=LedgerSettings(tombstones=tmp_path / "tombstones"))


@pytest.fixture
async def office(erasing: Settings) -> AsyncIterator[Office]:
    async with opened(erasing) as office:
        yield office


async def test_a_dump_has_no_payload_of_what_was_erased_and_all_others(office: Office) -> None:
    for names in (("ann",), ("bob",), ("ann", "bob"), ()):
        await office.decide(*names)
    gone = await office.erase("ann")
    assert len(gone) == 2
    assert await office.with_payloads() == await office.decided() - gone
    await office.assert_sound()
    (listed,) = [one async for one in office.appliance.erasures.tombstones.read()]
    (kept,) = await office.appliance.erasures.erase.page(office.id, None, 9)
    assert listed == kept.erasure.tombstone
    with pytest.raises(NotFound):
        await office.erase("carol")


async def test_decisions_about_somebody_who_is_being_erased_are_of_before_or_new(office: Office) -> None:
    for _ in range(10):
        await office.decide("ann")

    async def erase_later() -> set[int]:
        await asyncio.sleep(0.02)
        return await office.erase("ann")

    gone, *_ = await asyncio.gather(erase_later(), *(office.decide("ann") for _ in range(60)))
    assert len(gone) >= 10
    assert await office.with_payloads() == await office.decided() - gone
    await office.assert_sound()
    again = await office.erase("ann")
    assert gone | again >= await office.decided()
    assert await office.with_payloads() == set()
    await office.assert_sound()


async def test_without_a_list_of_tombstones_nothing_is_erased(erasing: Settings) -> None:
    """A restore would bring back what no list names."""
    async with opened(replace(erasing, ledgers=LedgerSettings())) as office:
        await office.decide("ann")
        with pytest.raises(Unavailable, match="GOVERNLAYER_TOMBSTONE_DIR"):
            await office.erase("ann")
        assert await office.with_payloads() == await office.decided()


async def test_two_who_erase_the_same_at_once_erase_it_once(office: Office) -> None:
    for _ in range(5):
        await office.decide("ann")
    assert len({frozenset(one) for one in await asyncio.gather(*(office.erase("ann") for _ in range(4)))}) == 1
    assert len(await office.appliance.erasures.erase.page(office.id, None, 9)) == 1


async def test_other_processes_forget_the_key_within_moments(office: Office, erasing: Settings) -> None:
    async with opened(erasing) as replica:
        await replica.decide("ann")
        vault = replica.appliance.parts.vault
        assert await vault.find_subject(office.id, "ann") is not None
        await asyncio.sleep(1.5)  # by now it knows how often keys were changed
        await office.erase("ann")
        async with asyncio.timeout(10):
            while await vault.find_subject(office.id, "ann") is not None:  # noqa: ASYNC110  # it polls, and so do we
                await asyncio.sleep(0.05)


async def test_what_did_not_fit_the_transaction_is_hidden_at_once_and_removed_later(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runtime role may rewrite the tables itself (PostgreSQL 17)."""
    for _ in range(4):
        await office.decide("ann")
    monkeypatch.setattr("governlayer_server.usecases.erase._HELD_US", -1)
    gone = await office.erase("ann")
    (one,) = await office.appliance.erasures.erase.page(office.id, None, 9)
    assert one.erasure.finished_us is None
    assert await office.decided() == gone
    assert await office.with_payloads() == set()
    await office.assert_sound()
    assert await office.appliance.erasures.finish()
    (one,) = await office.appliance.erasures.erase.page(office.id, None, 9)
    assert None not in {one.erasure.finished_us, one.erasure.vacuumed_us}
    async with office.appliance.parts.database.transaction(str(office.id)) as connection:
        assert await connection.fetchval("SELECT count(*) FROM ledger_payload") == 0
    await office.assert_sound()


async def test_a_certificate_outlives_its_keys(office: Office) -> None:
    await office.decide("ann")
    erase = office.appliance.erasures.erase
    first = await erase.subject(SYSTEM, office.id, "ann", BASIS)
    await office.appliance.rotate_keys.rotate(Algorithm.ED25519, lambda *_: None)
    assert (await erase.subject(SYSTEM, office.id, "ann", BASIS)).certificate == first.certificate


async def test_no_text_that_stands_in_the_database_is_signed(office: Office) -> None:
    """The runtime role may write tombstones: such a one would make a signature of whatever it likes."""
    await office.decide("ann")
    await office.erase("ann")
    forged, planted = f"another/ledger\n9\n{'A' * 43}=\n", uuid4()
    async with office.appliance.parts.database.transaction(str(office.id)) as connection:
        await connection.execute(PLANT, planted, forged)
    erase = office.appliance.erasures.erase
    shown = [await erase.read(office.id, planted), *await erase.page(office.id, None, 9)]
    assert [one.certificate for one in shown if one.erasure.certificate == forged] == [forged, forged]


async def test_no_organization_counts_as_erased_where_no_tombstone_says_so(office: Office) -> None:
    """The runtime role could have its API keys removed otherwise."""
    async with office.appliance.parts.database.transaction(str(office.id)) as connection:
        await connection.execute("SELECT note_erased($1, 1)", str(office.id))
        assert await connection.fetchval("SELECT erased_us FROM organization WHERE id = $1", office.id) is None
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE organization SET erased_us = 1 WHERE id = $1", office.id)


async def test_an_older_state_of_the_database_forgets_again_what_was_erased_since(
    erasing: Settings, empty_database: Servers
) -> None:
    async with opened(erasing) as office:
        for names in (("ann",), ("bob",)):
            await office.decide(*names)
    old = f"{erasing.database.database}_old"
    await as_admin(
        empty_database, f"CREATE DATABASE {old} OWNER {empty_database.owner.user} TEMPLATE {erasing.database.database}"
    )
    async with opened(erasing) as office:
        await office.decide("ann")
        gone = await office.erase("ann")
        (tombstone,) = [one async for one in office.appliance.erasures.tombstones.read()]
    try:
        async with opened(replace(erasing, database=replace(erasing.database, database=old))) as office:
            begun = min(gone)
            assert await office.with_payloads() == {begun, begun + 1}
            reapply, tombstones = office.appliance.erasures.reapply, office.appliance.erasures.tombstones
            assert await reapply(tombstones.read()) == Reapplied(done=(tombstone.id,))
            assert await office.with_payloads() == {begun + 1}
            assert await reapply(tombstones.read()) == Reapplied(known=(tombstone.id,))
            index = await office.appliance.parts.vault.subject_index(office.id, "ann")
            with pytest.raises(NotFound):
                await office.appliance.erasures.erase.extent(office.id, Target(subject=index))
            await office.decide("ann")
            await office.assert_sound()
    finally:
        await as_admin(empty_database, f"DROP DATABASE {old} WITH (FORCE)")


async def as_admin(servers: Servers, statement: str) -> None:
    connection = await asyncpg.connect(**servers.admin.options())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_tables_that_are_too_large_are_left_alone_until_somebody_says_so(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = await office.decide()
    await office.decide("ann")
    await office.erase("ann")
    await office.appliance.erasures.erase.decision(SYSTEM, office.id, decision, BASIS)
    monkeypatch.setitem(vacuum._TABLES, ErasureKind.DECISION, ("pg_proc",))
    monkeypatch.setattr(vacuum, "MAX_BYTES", 300_000)
    monkeypatch.setattr(vacuum, "_drop_log", dropped := AsyncMock())
    assert not await office.appliance.erasures.finish()
    assert not await office.appliance.erasures.finish()
    assert dropped.await_count == 1, "nothing is done where nothing is small enough"
    (waiting,) = await office.appliance.erasures.finish.store.open_erasures(str(office.id))
    assert waiting.tombstone.decision == decision


async def test_a_table_counts_as_rewritten_once_no_older_snapshot_keeps_the_key_in_it(
    office: Office, migrated_database: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.decide("ann")
    monkeypatch.setattr(vacuum, "_all_over", rewritten := AsyncMock(wraps=vacuum._all_over))
    finish, reader = office.appliance.erasures.finish, await asyncpg.connect(**migrated_database.owner.options())
    try:
        async with reader.transaction(isolation="repeatable_read", readonly=True):
            await reader.fetchval("SELECT count(*) FROM ledger")
            await office.erase("ann")
            assert not await finish()
            assert not await finish()
            assert rewritten.await_count == 1, "it is not tried again at once"
            (waiting,) = await finish.store.open_erasures(str(office.id))
        assert waiting.vacuumed_us is None
        assert await finish(at_any_size=True)
    finally:
        await reader.close()
