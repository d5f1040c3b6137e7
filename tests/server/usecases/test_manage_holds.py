"""Legal holds: what they keep from being destroyed, what is recorded of them, and who can read why."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from governlayer_server.domain.erasure import Target
from governlayer_server.domain.errors import (
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    NotFound,
    UnderLegalHold,
)
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.manage_holds import Hold, HoldTerms

from tests.fakes.appliance import FakeAppliance, action, principal_of

BASIS, REASON = "GDPR Art. 17(1)(a)", "Ann v. Acme, 4 O 12/26"


class Court:
    """An organization that decides about people, and is told to keep things."""

    def __init__(self, appliance: FakeAppliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id

    async def decide(self, *names: str) -> UUID:
        asked = action("text", data_subjects=list(names))
        return UUID((await self.appliance.govern(principal_of(self.organization), asked)).decision.decision_id)

    async def hold(self, once: Once | None = None, **terms: Any) -> Hold:
        asked = HoldTerms(**{"reason": REASON, **terms})
        return await self.appliance.manage_holds.create(SYSTEM, self.id, asked, once)

    async def release(self, hold: Hold, reason: str = "settled") -> Hold:
        return await self.appliance.manage_holds.release(SYSTEM, self.id, hold.stored.id, reason)

    async def erase(self, name: str) -> int:
        return (await self.appliance.erase.subject(SYSTEM, self.id, name, BASIS)).erasure.tombstone.records

    async def read(self, hold: Hold) -> Hold:
        return await self.appliance.manage_holds.one(self.id, hold.stored.id)

    @property
    def lines(self) -> list[bytes]:
        return self.appliance.ledger.canonical(str(self.id))

    def bodies(self) -> list[dict[str, Any]]:
        return [record["body"] for record in map(json.loads, self.lines) if record["type"] == "legal_hold"]


@pytest.fixture
async def court() -> Court:
    appliance = FakeAppliance()
    return Court(appliance, await appliance.start())


async def test_a_data_subject_under_hold_is_not_erased_until_it_is_released(court: Court) -> None:
    await court.decide("ann")
    hold, size = await court.hold(data_subject="ann"), len(court.lines)
    target = Target(subject=await court.appliance.vault.subject_index(court.id, "ann"))
    for erase in (court.erase("ann"), court.appliance.erase.extent(court.id, target)):
        with pytest.raises(UnderLegalHold, match=str(hold.stored.id)) as refused:
            await erase
        assert (refused.value.code, refused.value.hold_id) == ("legal_hold", hold.stored.id)
    assert (len(court.lines), court.appliance.tombstones.found) == (size, [])
    await court.release(hold)
    assert await court.erase("ann") == 1


async def test_who_shares_a_record_with_a_held_data_subject_is_held_too_and_nobody_else(court: Court) -> None:
    await court.decide("bob")
    await court.decide("carol")
    shared = await court.decide("ann", "bob")
    hold = await court.hold(data_subject="ann")
    for erase in (court.erase("bob"), court.appliance.erase.decision(SYSTEM, court.id, shared, BASIS)):
        with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
            await erase
    assert await court.erase("carol") == 1


async def test_a_held_range_holds_its_records_and_those_to_come(court: Court) -> None:
    before, first = await court.decide("ann"), len(court.lines)
    inside = await court.decide("ann")
    hold = await court.hold(first_seq=first)
    later = await court.decide()
    for decision in (inside, later):
        with pytest.raises(UnderLegalHold):
            await court.appliance.erase.decision(SYSTEM, court.id, decision, BASIS)
    await court.appliance.erase.decision(SYSTEM, court.id, before, BASIS)
    with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
        await court.erase("ann")


async def test_a_held_organization_loses_nothing_and_is_not_erased(court: Court) -> None:
    await court.decide("ann")
    hold = await court.hold()
    await court.appliance.manage_organizations.close(court.id)
    with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
        await court.erase("ann")
    with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
        await court.appliance.erase.organization(SYSTEM, court.id, BASIS)
    await court.release(hold)
    other = await court.hold(data_subject="nobody has named her yet")
    with pytest.raises(UnderLegalHold, match=str(other.stored.id)):
        await court.appliance.erase.organization(SYSTEM, court.id, BASIS)
    await court.release(other)
    await court.appliance.erase.organization(SYSTEM, court.id, BASIS)


async def test_a_data_subject_can_be_held_before_anything_names_it(court: Court) -> None:
    await court.hold(data_subject="ann")
    await court.decide("ann")
    with pytest.raises(UnderLegalHold):
        await court.erase("ann")


async def test_the_ledger_says_what_is_held_and_by_whom_but_not_why_nor_whom(court: Court) -> None:
    hold = await court.hold(data_subject="ann")
    await court.release(hold, "Ann has settled")
    ranged = await court.hold(first_seq=2, last_seq=3)
    subject = str(hold.stored.scope.subject_id)
    named = {"hold_id": str(hold.stored.id), "kind": "subject", "subject": subject, "first_seq": None, "last_seq": None}
    assert court.bodies() == [
        {"event": "created", **named},
        {"event": "released", **named},
        {"event": "created", "hold_id": str(ranged.stored.id), "kind": "range", "subject": None, "first_seq": 2,
         "last_seq": 3},
    ]  # fmt: skip
    assert not any(b"Ann" in line or b'"ann"' in line for line in court.lines)
    stored = hold.stored
    assert b"Ann" not in stored.sealed
    shown = await court.read(hold)
    assert (shown.reason, shown.data_subject, shown.release_reason) == (REASON, "ann", "Ann has settled")
    assert "nn" not in repr(shown) + repr(HoldTerms(reason=REASON, data_subject="ann"))


async def test_why_there_was_a_hold_goes_with_the_data_subject(court: Court) -> None:
    await court.decide("ann")
    hold = await court.hold(data_subject="ann")
    await court.release(hold)
    assert (await court.read(hold)).reason == REASON
    await court.erase("ann")
    shown = await court.read(hold)
    assert (shown.reason, shown.data_subject, shown.release_reason) == (None, None, None)
    assert shown.stored.scope == hold.stored.scope


async def test_released_again_it_stays_as_it_was(court: Court) -> None:
    hold = await court.hold()
    first = await court.release(hold)
    assert (first.stored.released_by, first.release_reason) == (SYSTEM, "settled")
    size = len(court.lines)
    assert await court.release(hold, "another reason") == first
    assert len(court.lines) == size


async def test_released_by_two_at_once_it_is_released_once(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = await court.hold()
    one, arrived = court.appliance.holds.one, asyncio.Barrier(2)

    async def together(ledger_id: str, hold_id: UUID) -> Any:
        found = await one(ledger_id, hold_id)
        if found.released_us is None:
            await arrived.wait()
        return found

    monkeypatch.setattr(court.appliance.holds, "one", together)
    first, second = await asyncio.gather(court.release(hold, "a"), court.release(hold, "b"))
    assert first == second
    assert [body["event"] for body in court.bodies()] == ["created", "released"]


async def test_the_same_question_makes_one_hold(court: Court) -> None:
    first = await court.hold(Once(key="k", body=b"b"), data_subject="ann")
    size = len(court.lines)
    assert await court.hold(Once(key="k", body=b"b"), data_subject="ann") == first
    assert len(court.lines) == size
    with pytest.raises(IdempotencyKeyReused):
        await court.hold(Once(key="k", body=b"c"))
    assert len(await court.appliance.manage_holds.page(court.id, None, 9)) == 1


async def test_holds_of_others_are_as_if_there_were_none(court: Court) -> None:
    other = Court(court.appliance, await court.appliance.start("Other"))
    hold = await other.hold()
    await court.decide("ann")
    assert await court.erase("ann") == 1
    assert await court.appliance.manage_holds.page(court.id, None, 9) == []
    for ask in (court.read(hold), court.release(hold)):
        with pytest.raises(NotFound, match="no such legal hold"):
            await ask
    assert (await other.read(hold)).stored.released_us is None


async def test_a_hold_that_meets_an_erasure_is_refused_and_asked_again_it_stands(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    await court.decide("ann")
    add = court.appliance.manage_holds.__class__._add

    async def erased_first(self: Any, hold: Any, keep: Any) -> None:
        await court.erase("ann")
        await add(self, hold, keep)

    monkeypatch.setattr(court.appliance.manage_holds.__class__, "_add", erased_first)
    with pytest.raises(LedgerUnavailable, match="being erased"):
        await court.hold(data_subject="ann")
    monkeypatch.undo()
    assert await court.appliance.manage_holds.page(court.id, None, 9) == []
    hold = await court.hold(data_subject="ann")
    await court.decide("ann")
    with pytest.raises(UnderLegalHold, match=str(hold.stored.id)):
        await court.erase("ann")


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"reason": ""}, "/reason"), ({"reason": " "}, "/reason"), ({"reason": "x" * 501}, "/reason"),
        ({"reason": "a\nb"}, "/reason"), ({"last_seq": 3}, "/first_seq"), ({"first_seq": 4, "last_seq": 3}, "/last_seq"),
        ({"first_seq": -1}, "/first_seq"), ({"first_seq": 2**53}, "/first_seq"),
        ({"first_seq": 0, "last_seq": 2**53}, "/last_seq"), ({"first_seq": 0, "data_subject": "ann"}, "/data_subject"),
    ],
)  # fmt: skip
async def test_what_breaks_its_limits_is_refused_at_its_place(
    court: Court, terms: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await court.hold(**terms)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    hold = await court.hold()
    with pytest.raises(InvalidRequest):
        await court.release(hold, " ")
    assert (await court.read(hold)).stored.released_us is None


async def test_a_hold_that_there_is_not_is_not_released(court: Court) -> None:
    with pytest.raises(NotFound):
        await court.appliance.manage_holds.release(SYSTEM, court.id, uuid4(), "why")
