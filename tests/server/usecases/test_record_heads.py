"""Heads: once an hour, whoever asks; and a ledger that is gone, cut or rewritten is found by them."""

import asyncio
import json
from uuid import uuid4

import pytest
from governlayer_server.domain.errors import LedgerDamaged, LedgerUnavailable
from governlayer_server.domain.ledger.canonical import MAX_BYTES
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.domain.times import HOUR_US
from governlayer_server.ports.ledger import Append, Entry, RecordFilter
from governlayer_server.usecases import record_heads
from governlayer_server.usecases.check_heads import CheckHeads
from governlayer_server.usecases.create_organization import origin_of
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.record_heads import PER_RECORD, RecordHeads

from tests.fakes.appliance import DEPLOYMENT, FakeAppliance
from tests.fakes.ledger_store import MemoryLedgerStore


def recorder(appliance: FakeAppliance) -> RecordHeads:
    return RecordHeads(ledger=appliance.ledger, accounts=appliance.accounts, clock=appliance.clock)


def unreadable(appliance: FakeAppliance, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored of the ledger's head contradicts itself."""
    head = appliance.ledger.head

    async def damaged(ledger_id: str) -> Head:
        if ledger_id == str(organization.id):
            raise LedgerDamaged("the edge is damaged")
        return await head(ledger_id)

    monkeypatch.setattr(appliance.ledger, "head", damaged)


def checker(appliance: FakeAppliance) -> CheckHeads:
    return CheckHeads(ledger=appliance.ledger, prove=appliance.prove_ledger)


async def bodies(appliance: FakeAppliance) -> list[dict[str, object]]:
    records = await appliance.ledger.records(SYSTEM_LEDGER, -1, 1_000, RecordFilter(type="ledger.heads"))
    assert all(len(record.canonical) <= MAX_BYTES for record in records)
    return [json.loads(record.canonical)["body"] for record in records]


async def grow(appliance: FakeAppliance, organization: Organization) -> None:
    await record_event(appliance.ledger, appliance.clock, appliance.entropy, str(organization.id), SYSTEM, "test", {})


async def test_size_and_root_of_every_other_ledger_stand_in_the_system_ledger(
    appliance: FakeAppliance, acme: Organization
) -> None:
    appliance.clock.advance(1)
    other = await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    await recorder(appliance)()
    (body,) = await bodies(appliance)
    expected = []
    for one in (acme, other):
        head = await appliance.ledger.head(str(one.id))
        expected.append({"id": str(one.id), "root": root(head.edge).hex(), "size": head.size})
    assert body == {"heads": expected, "hour": "2026-11-23T18:00:00.000000Z", "part": 0}


async def test_each_hour_is_recorded_once_by_any_number_of_replicas(
    appliance: FakeAppliance, acme: Organization
) -> None:
    replicas = [recorder(appliance) for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(replica() for replica in replicas))
        await grow(appliance, acme)
        appliance.clock.advance(HOUR_US // 2)
    assert [body["hour"] for body in await bodies(appliance)] == [
        "2026-11-23T18:00:00.000000Z",
        "2026-11-23T19:00:00.000000Z",
    ]


async def test_many_ledgers_take_several_records_each_within_the_limit(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    organizations = [
        Organization(id=uuid4(), name="x", plan=acme.plan, created_us=1) for _ in range(PER_RECORD * 2 + 1)
    ]

    async def listed() -> list[Organization]:
        return organizations

    monkeypatch.setattr(appliance.accounts, "organizations", listed)
    for one in organizations:
        await appliance.ledger.create(str(one.id), one.id, origin_of(DEPLOYMENT, str(one.id)))
    await recorder(appliance)()
    found = await bodies(appliance)
    assert [body["part"] for body in found] == [0, 1, 2]
    assert [head["id"] for body in found for head in body["heads"]] == [str(one.id) for one in organizations]  # type: ignore[attr-defined, index]


def test_the_largest_part_stays_below_the_limit_of_a_record() -> None:
    entry = {"id": str(uuid4()), "root": "f" * 64, "size": 2**53 - 1}
    longest = len(json.dumps(entry, separators=(",", ":"))) + 1
    assert longest * PER_RECORD + 600 < MAX_BYTES


async def test_an_hour_that_was_interrupted_is_completed(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_heads, "PER_RECORD", 1)
    await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    append, calls = appliance.ledger.append, [0]

    async def killed(one: Append) -> Entry:
        calls[0] += 1
        if calls[0] == 2:
            raise LedgerUnavailable("killed")
        return await append(one)

    record = recorder(appliance)
    with monkeypatch.context() as patch:
        patch.setattr(appliance.ledger, "append", killed)
        with pytest.raises(LedgerUnavailable):
            await record()
    await record()
    assert [body["part"] for body in await bodies(appliance)] == [0, 1]


async def test_ledgers_as_recorded_have_no_fault_and_may_have_grown(
    appliance: FakeAppliance, acme: Organization
) -> None:
    check = checker(appliance)
    assert await check() == (0, [])
    await recorder(appliance)()
    assert await check() == (1, [])
    await grow(appliance, acme)
    appliance.clock.advance(HOUR_US)
    await recorder(appliance)()
    await grow(appliance, acme)
    assert await check() == (1, [])


async def test_a_ledger_that_is_gone_cut_or_rewritten_is_found(appliance: FakeAppliance, acme: Organization) -> None:
    await grow(appliance, acme)
    await recorder(appliance)()
    ledgers, ledger_id = appliance.ledger._ledgers, str(acme.id)
    genuine = ledgers[ledger_id]
    fresh = MemoryLedgerStore(appliance.clock)
    await fresh.create(ledger_id, acme.id, genuine.head.origin)
    ledgers[ledger_id] = fresh._ledger(ledger_id)
    await grow(appliance, acme)
    assert [one.fault for one in (await checker(appliance)())[1]] == ["it has 1 records, and had 3"]
    for _ in range(3):
        await grow(appliance, acme)
    assert [one.fault for one in (await checker(appliance)())[1]] == ["its first 3 records are not those it had"]
    del ledgers[ledger_id]
    found = (await checker(appliance)())[1]
    assert [(one.head.id, one.fault) for one in found] == [(ledger_id, "it is gone")]


@pytest.mark.parametrize("what", ["gone", "damaged"])
async def test_a_ledger_that_cannot_be_read_is_recorded_as_such_and_costs_the_others_nothing(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(record_heads, "PER_RECORD", 2)
    others = []
    for number in range(2):
        appliance.clock.advance(1)
        others.append(await appliance.create_organization(f"Other {number}", acme.plan, f"{number}@example.com", None))
    if what == "gone":
        del appliance.ledger._ledgers[str(acme.id)]
    else:
        unreadable(appliance, acme, monkeypatch)
    await recorder(appliance)()
    heads = [head for body in await bodies(appliance) for head in body["heads"]]  # type: ignore[attr-defined]
    assert heads[0] == {"id": str(acme.id), "root": None, "size": None}
    assert [(head["id"], head["size"]) for head in heads[1:]] == [(str(one.id), 2) for one in others]
    assert [one.fault for one in (await checker(appliance)())[1]] == [
        "it is gone" if what == "gone" else "the edge is damaged"
    ]


async def test_a_ledger_that_came_back_is_compared_with_what_was_recorded_before_it_was_gone(
    appliance: FakeAppliance, acme: Organization
) -> None:
    await recorder(appliance)()
    ledgers, ledger_id = appliance.ledger._ledgers, str(acme.id)
    genuine = ledgers.pop(ledger_id)
    appliance.clock.advance(HOUR_US)
    await recorder(appliance)()
    assert [one.fault for one in (await checker(appliance)())[1]] == ["it is gone"]
    await appliance.ledger.create(ledger_id, acme.id, genuine.head.origin)
    for _ in range(genuine.head.size):
        await grow(appliance, acme)
    assert [one.fault for one in (await checker(appliance)())[1]] == ["its first 2 records are not those it had"]
    ledgers[ledger_id] = genuine
    assert (await checker(appliance)())[1] == []


async def test_a_ledger_of_which_no_head_could_be_recorded_yet_has_nothing_to_differ_from(
    appliance: FakeAppliance, acme: Organization
) -> None:
    genuine = appliance.ledger._ledgers.pop(str(acme.id))
    await recorder(appliance)()
    appliance.ledger._ledgers[str(acme.id)] = genuine
    assert await checker(appliance)() == (1, [])


async def test_while_the_database_is_away_no_ledger_is_recorded_as_unreadable(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: str) -> Head:
        raise LedgerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(appliance.ledger, "head", away)
        with pytest.raises(LedgerUnavailable):
            await recorder(appliance)()
    assert await bodies(appliance) == []
    await recorder(appliance)()
    assert len(await bodies(appliance)) == 1
