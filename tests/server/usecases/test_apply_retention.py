"""Retention: what has been kept long enough goes, by data class, on record, and nothing else does."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from governlayer_server.domain.errors import LedgerUnavailable, UnderLegalHold
from governlayer_server.domain.ledger.canonical import MAX_BYTES
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import DataClassDays, Organization, OrganizationSettings
from governlayer_server.domain.retention import DATA_CLASSES, RetentionRule, retention_bodies, rules_of
from governlayer_server.domain.times import DAY_US
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.usecases.manage_holds import HoldTerms
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance, action, principal_of

TEXT = "my address is ann@example.org"


class Archive:
    """An organization whose payloads grow old."""

    def __init__(self, appliance: FakeAppliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id
        self.ledger_id = str(organization.id)

    async def choose(self, **settings: Any) -> None:
        async with self.appliance.accounts.tenant(self.id) as tenant:
            found = await tenant.organization()
            await tenant.save_organization(replace(found, settings=OrganizationSettings(**settings)))

    async def decide(self, *names: str) -> int:
        asked = action(TEXT, data_subjects=list(names))
        answered = await self.appliance.govern(principal_of(self.organization), asked)
        assert answered.decision.ledger is not None
        return answered.decision.ledger.seq

    def pass_days(self, days: int) -> None:
        self.appliance.clock.advance(days * DAY_US)

    async def kept(self) -> dict[int, list[str]]:
        stream = self.appliance.ledger.stream(self.ledger_id, 0, 100_000, PAYLOAD_NAMES)
        return {one.record.seq: [each.name for each in one.payloads] async for one in stream if one.payloads}

    def bodies(self) -> list[Mapping[str, Any]]:
        records = map(json.loads, self.appliance.ledger.canonical(self.ledger_id))
        return [record["body"] for record in records if record["type"] == "retention"]


@pytest.fixture
async def archive() -> Archive:
    appliance = FakeAppliance()
    return Archive(appliance, await appliance.start())


async def test_payloads_go_once_they_are_old_enough_and_the_ledger_says_so(archive: Archive) -> None:
    await archive.choose(retention_days=183)
    old = [await archive.decide(), await archive.decide("ann")]
    archive.pass_days(183)
    young = await archive.decide()
    lines = archive.appliance.ledger.canonical(archive.ledger_id)
    archive.appliance.clock.advance(1_000)
    await archive.appliance.apply_retention()
    assert set(await archive.kept()) == {young}
    assert archive.appliance.ledger.canonical(archive.ledger_id)[:-1] == lines
    (body,) = archive.bodies()
    assert body.pop("before").endswith("Z")
    assert body == {
        "basis": "retention of 183 days", "days": 183, "names": ["*"], "ranges": [old], "records": 2,
    }  # fmt: skip
    await archive.appliance.apply_retention()
    assert len(archive.bodies()) == 1


async def test_nothing_goes_while_another_process_has_its_turn(archive: Archive) -> None:
    await archive.choose(retention_days=183)
    seq = await archive.decide()
    archive.pass_days(184)
    async with archive.appliance.turn():
        assert await archive.appliance.apply_retention() is None
    assert set(await archive.kept()) == {seq}
    assert await archive.appliance.apply_retention() == {archive.id: 1}


async def test_nothing_goes_a_moment_too_early_and_nothing_without_a_limit(archive: Archive) -> None:
    await archive.decide()
    before = await archive.kept()
    archive.pass_days(36_500)
    await archive.appliance.apply_retention()
    await archive.choose(retention_days=36_500)
    archive.appliance.clock.advance(-1_000)
    await archive.appliance.apply_retention()
    assert (await archive.kept(), archive.bodies()) == (before, [])
    archive.appliance.clock.advance(1_000_000)
    await archive.appliance.apply_retention()
    assert await archive.kept() == {}


async def test_each_data_class_has_its_own_time(archive: Archive) -> None:
    await archive.choose(
        retention_days=300, retention=DataClassDays(findings=10, content=400), retention_reason="contract 7"
    )
    seq = await archive.decide("ann")
    assert (await archive.kept())[seq] == ["content", "context", "findings"]
    left = []
    for days in (11, 290, 100):
        archive.pass_days(days)
        await archive.appliance.apply_retention()
        left.append((await archive.kept()).get(seq))
    assert left == [["content", "context"], ["content"], None]
    assert [(one["names"], one["basis"]) for one in archive.bodies()] == [
        (["findings"], "retention of 10 days: contract 7"),
        (["arguments", "context"], "retention of 300 days: contract 7"),
        (["content"], "retention of 400 days: contract 7"),
    ]


async def test_what_a_legal_hold_covers_stays_until_it_is_released(archive: Archive) -> None:
    await archive.choose(retention_days=183)
    held, free = await archive.decide("ann", "bob"), await archive.decide("bob")
    terms = HoldTerms(reason="Ann v. Acme", data_subject="ann")
    hold = await archive.appliance.manage_holds.create(SYSTEM, archive.id, terms)
    archive.pass_days(184)
    await archive.appliance.apply_retention()
    assert set(await archive.kept()) == {held}
    assert [one["ranges"] for one in archive.bodies()] == [[[free, free]]]
    with pytest.raises(UnderLegalHold):
        await archive.appliance.erase.subject(SYSTEM, archive.id, "ann", "law")
    await archive.appliance.manage_holds.release(SYSTEM, archive.id, hold.stored.id, "over")
    await archive.appliance.apply_retention()
    assert await archive.kept() == {}
    assert [one["ranges"] for one in archive.bodies()] == [[[free, free]], [[held, held]]]


async def test_many_go_in_batches_and_several_replicas_destroy_each_once(archive: Archive) -> None:
    await archive.choose(retention_days=183)
    seqs = [await archive.decide() for _ in range(25)]
    archive.pass_days(184)
    small = replace(archive.appliance.apply_retention, batch=4, window=7)
    await asyncio.gather(small(), small(), small())
    assert await archive.kept() == {}
    recorded = [seq for one in archive.bodies() for first, last in one["ranges"] for seq in range(first, last + 1)]
    assert sorted(recorded) == seqs
    assert sum(one["records"] for one in archive.bodies()) == 25
    assert max(one["records"] for one in archive.bodies()) <= 4


async def test_one_organization_that_fails_costs_the_others_nothing(archive: Archive) -> None:
    other = Archive(archive.appliance, await archive.appliance.start("Other"))
    for one in (archive, other):
        await one.choose(retention_days=183)
        await one.decide()
    archive.pass_days(184)
    seen = list[str]()
    expired = archive.appliance.holds.expired

    async def failing(ledger_id: str, *arguments: Any) -> Any:
        seen.append(ledger_id)
        if len(seen) == 1:
            raise LedgerUnavailable("away")
        return await expired(ledger_id, *arguments)

    archive.appliance.holds.expired = failing  # type: ignore[method-assign]
    with pytest.raises(LedgerUnavailable):
        await archive.appliance.apply_retention()
    gone = [await one.kept() for one in (archive, other)]
    assert sorted(map(len, gone)) == [0, 1]


async def test_an_erased_organization_is_left_alone_and_a_closed_one_is_not(archive: Archive) -> None:
    await archive.choose(retention_days=183)
    await archive.decide()
    await archive.appliance.manage_organizations.close(archive.id)
    archive.pass_days(184)
    await archive.appliance.apply_retention()
    assert len(archive.bodies()) == 1
    await archive.appliance.erase.organization(SYSTEM, archive.id, "law")
    archive.pass_days(184)
    await archive.appliance.apply_retention()
    assert len(archive.bodies()) == 1


def test_the_data_classes_are_all_payloads_that_there_are() -> None:
    assert tuple(DATA_CLASSES) == PAYLOAD_NAMES


days = st.none() | st.integers(1, 36_500)


@given(days, st.fixed_dictionaries(dict.fromkeys(DATA_CLASSES, days)))
def test_each_payload_has_one_rule_and_that_is_the_one_chosen_for_it(
    general: int | None, chosen: dict[str, int | None]
) -> None:
    settings = OrganizationSettings(retention_days=general, retention=DataClassDays(**chosen))
    rules = rules_of(settings)
    found = {name: rule.days for rule in rules for name in (DATA_CLASSES if rule.names == ("*",) else rule.names)}
    expected = {name: own or general for name, own in chosen.items() if own or general}
    assert found == expected
    assert [rule.days for rule in rules] == sorted({*expected.values()})


def test_records_hold_as_many_ranges_as_fit() -> None:
    rule = RetentionRule(days=200, names=tuple(DATA_CLASSES), reason="x" * 100)
    ranges = [(seq, seq) for seq in range(2**53 - 3_000, 2**53 - 1, 2)]
    bodies = retention_bodies(rule, ranges, "2026-11-26T00:00:00.000000Z")
    assert [pair for body in bodies for pair in body["ranges"]] == [list(one) for one in ranges]  # type: ignore[attr-defined]
    assert sum(body["records"] for body in bodies) == len(ranges)  # type: ignore[misc]
    assert len(bodies) > 1
    assert all(len(json.dumps(body)) < MAX_BYTES - 1_000 for body in bodies)
    assert retention_bodies(rule, [], "") == []
