"""Erasures: what goes, what stays, what is recorded, and what happens when it is asked for again."""

import asyncio
import json
from uuid import UUID, uuid4

import msgspec
import pytest
from governlayer_server.domain.erasure import ErasureKind, Target
from governlayer_server.domain.errors import (
    Conflict,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerDamaged,
    LedgerRefused,
    LedgerUnavailable,
    NotFound,
    Unavailable,
)
from governlayer_server.domain.ledger.canonical import MAX_BYTES
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.erase import Erased
from governlayer_server.usecases.finish_erasures import FinishErasures
from governlayer_server.usecases.reapply_erasures import Reapplied, ReapplyErasures

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.erasures import CountedVacuum

BASIS = "GDPR Art. 17(1)(a)"
NAMES = ("arguments", "content", "context", "findings")


class Office:
    """An organization that decides about people."""

    def __init__(self, appliance: FakeAppliance, organization: Organization) -> None:
        self.appliance = appliance
        self.organization = organization
        self.id = organization.id
        self.ledger_id = str(organization.id)

    async def decide(self, *names: str, key: str | None = None) -> UUID:
        once = None if key is None else Once(key=key, body=b"body")
        asked = action("text", data_subjects=list(names))
        answered = await self.appliance.govern(principal_of(self.organization), asked, once)
        return UUID(answered.decision.decision_id)

    async def subject(self, name: str, once: Once | None = None) -> Erased:
        return await self.appliance.erase.subject(SYSTEM, self.id, name, BASIS, once)

    async def with_payloads(self) -> set[int]:
        stream = self.appliance.ledger.stream(self.ledger_id, 0, 100_000, NAMES)
        return {one.record.seq async for one in stream if one.payloads}

    def bodies(self, record_type: str = "erasure") -> list[dict[str, object]]:
        records = map(json.loads, self.appliance.ledger.canonical(self.ledger_id))
        return [record["body"] for record in records if record["type"] == record_type]

    @property
    def size(self) -> int:
        return self.appliance.ledger.sizes()[self.ledger_id]


@pytest.fixture
async def office() -> Office:
    appliance = FakeAppliance()
    return Office(appliance, await appliance.start())


async def test_all_that_names_a_data_subject_goes_and_the_ledger_says_so(office: Office) -> None:
    begun = office.size
    for names in (("ann",), ("bob",), ("bob", "ann"), (), ("ann",)):
        await office.decide(*names)
    before = office.appliance.ledger.canonical(office.ledger_id)
    erased = await office.subject("ann")
    tombstone = erased.erasure.tombstone
    assert tombstone.ranges == ((begun, begun), (begun + 2, begun + 2), (begun + 4, begun + 4))
    assert tombstone.records == 3
    assert await office.with_payloads() == {begun + 1, begun + 3}
    assert office.appliance.ledger.canonical(office.ledger_id)[:-1] == before
    (body,) = office.bodies()
    assert body == {
        "basis": BASIS, "decision_id": None, "erasure_id": str(tombstone.id), "kind": "subject", "names": ["*"], "part": 1,
        "parts": 1, "ranges": [list(one) for one in tombstone.ranges], "reapplied": False, "records": 3,
        "subjects": [str(tombstone.subjects[0])],
    }  # fmt: skip
    assert office.appliance.tombstones.found == [tombstone]
    written = json.dumps(msgspec.to_builtins(tombstone)) + erased.certificate
    assert "ann" not in written


async def test_asked_again_it_is_the_same_one_and_nothing_is_recorded(office: Office) -> None:
    await office.decide("ann")
    first = await office.subject("ann")
    size = office.size
    assert await office.subject("ann") == first
    assert office.size == size
    office.appliance.clock.advance(1_000)
    await office.decide("ann")
    second = await office.subject("ann")
    assert second.erasure.tombstone.id != first.erasure.tombstone.id
    assert second.erasure.tombstone.records == 1
    assert await office.subject("ann") == second


async def test_nobody_that_was_never_named_is_erased(office: Office) -> None:
    size = office.size
    with pytest.raises(NotFound, match="no data of this data subject"):
        await office.subject("carol")
    with pytest.raises(NotFound, match="no such record"):
        await office.appliance.erase.decision(SYSTEM, office.id, uuid4(), BASIS)
    assert office.size == size


async def test_another_organizations_people_and_decisions_are_as_if_there_were_none(office: Office) -> None:
    other = Office(office.appliance, await office.appliance.start("Other"))
    decision = await other.decide("ann")
    with pytest.raises(NotFound):
        await office.subject("ann")
    with pytest.raises(NotFound):
        await office.appliance.erase.decision(SYSTEM, office.id, decision, BASIS)
    erased = await other.subject("ann")
    with pytest.raises(NotFound):
        await office.appliance.erase.read(office.id, erased.erasure.tombstone.id)


async def test_one_decision_goes_and_the_keys_of_whom_it_names_stay(office: Office) -> None:
    first, second = await office.decide("ann"), await office.decide("ann")
    erased = await office.appliance.erase.decision(SYSTEM, office.id, first, BASIS)
    seq = (await office.appliance.ledger.place_of(office.ledger_id, first)).seq
    assert erased.erasure.tombstone.ranges == ((seq, seq),)
    assert (erased.erasure.tombstone.subjects, erased.erasure.tombstone.decision) == ((), first)
    assert await office.with_payloads() == {(await office.appliance.ledger.place_of(office.ledger_id, second)).seq}
    assert await office.appliance.erase.decision(SYSTEM, office.id, first, BASIS) == erased
    assert (await office.subject("ann")).erasure.tombstone.records == 1


async def test_an_organization_goes_only_once_it_is_closed_and_never_opens_again(office: Office) -> None:
    appliance = office.appliance
    await office.decide("ann")
    with pytest.raises(Conflict, match="close it first"):
        await appliance.erase.organization(SYSTEM, office.id, BASIS)
    assert await office.with_payloads()
    await appliance.manage_organizations.close(office.id)
    size = office.size
    erased = await appliance.erase.organization(SYSTEM, office.id, BASIS)
    assert erased.erasure.tombstone.ranges == ((0, size - 1),)
    assert erased.erasure.finished_us is None
    assert str(office.id) not in appliance.data_keys.owned
    noted = [json.loads(one)["body"] for one in appliance.ledger.canonical(SYSTEM_LEDGER)]
    assert {"event": "erased", "organization_id": str(office.id)} in noted
    with pytest.raises(Conflict, match="was erased"):
        await appliance.manage_organizations.reopen(office.id)
    vacuum = CountedVacuum()
    assert await FinishErasures(store=appliance.erasures, vacuum=vacuum, clock=appliance.clock)()
    assert await office.with_payloads() == set()
    assert (await appliance.erase.organization(SYSTEM, office.id, BASIS)).certificate == erased.certificate


async def test_ranges_that_do_not_fit_one_record_stand_in_several(office: Office) -> None:
    begun = office.size
    for number in range(3_000):
        await office.decide(*(["ann"] if number % 2 else []))
    erased = await office.subject("ann")
    bodies = office.bodies()
    assert len(bodies) > 1
    assert [(body["part"], body["parts"]) for body in bodies] == [
        (number, len(bodies)) for number in range(1, len(bodies) + 1)
    ]
    ranges = [seq for body in bodies for one in body["ranges"] for seq in one]  # type: ignore[attr-defined]
    assert ranges == [seq for number in range(1, 3_000, 2) for seq in (begun + number, begun + number)]
    records = office.appliance.ledger.canonical(office.ledger_id)[-len(bodies) :]
    assert all(len(record) <= MAX_BYTES for record in records)
    assert [one.seq for one in erased.erasure.tombstone.erasure_records] == list(
        range(office.size - len(bodies), office.size)
    )


@pytest.mark.parametrize("basis", ["", " ", "a" * 101, "ann@example.com", "„17“", "line\nbreak", "\0"])
async def test_a_basis_that_is_none_is_refused_before_anything(office: Office, basis: str) -> None:
    await office.decide("ann")
    size = office.size
    with pytest.raises(InvalidRequest, match="basis"):
        await office.appliance.erase.subject(SYSTEM, office.id, "ann", basis)
    assert (office.size, bool(await office.with_payloads())) == (size, True)


async def test_with_an_idempotency_key_the_same_erasure_is_answered_whatever_came_since(office: Office) -> None:
    await office.decide("ann")
    once = Once(key="k", body=b"erase ann")
    first = await office.subject("ann", once)
    await office.decide("ann")
    assert await office.subject("ann", once) == first
    assert await office.with_payloads()
    with pytest.raises(IdempotencyKeyReused):
        await office.subject("ann", Once(key="k", body=b"erase bob"))


@pytest.mark.parametrize("step", ["tombstone", "commit", "ledger"])
async def test_what_fails_is_not_done_and_can_be_done_again(office: Office, step: str) -> None:
    appliance = office.appliance
    await office.decide("ann", key="question")
    size, payloads = office.size, await office.with_payloads()
    at = {"tombstone": appliance.tombstones, "commit": appliance.erasures, "ledger": appliance.ledger}[step]
    at.failure = Unavailable("no") if step == "tombstone" else LedgerUnavailable("no")  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        await office.subject("ann")
    assert (office.size, await office.with_payloads()) == (size, payloads)
    at.failure = None  # type: ignore[attr-defined]
    await office.decide("ann", key="question")
    assert office.size == size, "the answer is still kept"
    assert (await office.subject("ann")).erasure.tombstone.records == 1


async def test_who_decides_about_somebody_meanwhile_decides_about_somebody_new(office: Office) -> None:
    for _ in range(20):
        await office.decide("ann")
    await asyncio.gather(office.subject("ann"), *(office.decide("ann") for _ in range(20)))
    covered = {
        seq
        for body in office.bodies()
        for first, last in body["ranges"]
        for seq in range(first, last + 1)  # type: ignore[attr-defined]
    }
    decided = {json.loads(one)["seq"] for one in office.appliance.ledger.canonical(office.ledger_id)
               if json.loads(one)["type"] == "decision"}  # fmt: skip
    assert decided - covered == await office.with_payloads()
    assert len(covered) >= 20
    async for stored in office.appliance.ledger.stream(office.ledger_id, 0, 1_000, NAMES):
        assert not stored.payloads or stored.record.seq not in covered


async def test_a_question_asked_again_after_its_answer_was_erased_is_decided_anew(office: Office) -> None:
    first = await office.decide("ann", key="question")
    assert await office.decide("ann", key="question") == first
    await office.subject("ann")
    assert await office.decide("ann", key="question") != first


async def test_what_would_go_is_told_and_nothing_goes(office: Office) -> None:
    begun = office.size
    await office.decide("ann")
    index = await office.appliance.vault.subject_index(office.id, "ann")
    extent = await office.appliance.erase.extent(office.id, Target(subject=index))
    assert (extent.ranges, extent.records) == (((begun, begun),), 1)
    assert await office.with_payloads() == {begun}
    with pytest.raises(NotFound):
        await office.appliance.erase.extent(office.id, Target(decision=uuid4()))


async def test_what_was_erased_is_erased_again_in_a_ledger_that_was_put_back(office: Office) -> None:
    appliance, begun = office.appliance, office.size
    for names in (("ann",), ("bob",), ("ann",)):
        await office.decide(*names)
        appliance.clock.advance(1)
    old = appliance.erasures._state(appliance.ledger._ledger(office.ledger_id))
    appliance.clock.advance(1)
    await office.decide("ann")
    done = await office.subject("ann")
    appliance.erasures._put_back(appliance.ledger._ledger(office.ledger_id), old)
    appliance.clock.advance(1)
    await office.decide("bob")  # where ann was: it is not what the tombstone names
    reapply = ReapplyErasures(erase=appliance.erase)
    tombstone = done.erasure.tombstone
    assert await reapply(appliance.tombstones.read()) == Reapplied(done=(tombstone.id,))
    assert await office.with_payloads() == {begun + 1, begun + 3}
    (body,) = office.bodies()
    assert (body["reapplied"], body["ranges"]) == (True, [[begun, begun], [begun + 2, begun + 2]])
    size = office.size
    assert await reapply(appliance.tombstones.read()) == Reapplied(known=(tombstone.id,))
    assert office.size == size


async def test_a_ledger_that_went_another_way_loses_nothing_that_its_tombstone_does_not_name(office: Office) -> None:
    appliance, begun = office.appliance, office.size
    ledger = appliance.ledger._ledger(office.ledger_id)
    await office.decide("ann")
    fork = appliance.erasures._state(ledger)
    await office.decide("bob")
    of_ann = await office.decide("ann")
    one_way = appliance.erasures._state(ledger)
    appliance.erasures._put_back(ledger, fork)
    appliance.clock.advance(1)
    for names in (("ann",), ("carol",)):
        await office.decide(*names)
    await appliance.erase.decision(SYSTEM, office.id, await office.decide("dora"), BASIS)
    await office.subject("ann")
    appliance.erasures._put_back(ledger, one_way)
    appliance.clock.advance(1)
    await ReapplyErasures(erase=appliance.erase)(appliance.tombstones.read())
    assert await office.with_payloads() == {begun + 1}, "what stood at the same seqs is not what was erased"
    assert [body["ranges"] for body in office.bodies()] == [[], [[begun, begun], [begun + 2, begun + 2]]]
    assert (await appliance.ledger.place_of(office.ledger_id, of_ann)).seq == begun + 2


@pytest.mark.parametrize("damage", [LedgerRefused(), LedgerDamaged("no")])
async def test_a_closed_ledger_loses_keys_and_payloads_and_hinders_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch, damage: Exception
) -> None:
    appliance, other = office.appliance, Office(office.appliance, await office.appliance.start("Other"))
    for one in (office, other):
        for names in (("ann",), ("bob",)):
            await one.decide(*names)
    old = [appliance.erasures._state(appliance.ledger._ledger(one.ledger_id)) for one in (office, other)]
    erased = [(await one.subject("ann")).erasure.tombstone.id for one in (office, other)]
    for one, state in zip((office, other), old, strict=True):
        appliance.erasures._put_back(appliance.ledger._ledger(one.ledger_id), state)
    reapply, size = ReapplyErasures(erase=appliance.erase), office.size
    appliance.erasures.refused[office.ledger_id] = damage
    for _ in range(2):
        found = await reapply(appliance.tombstones.read())
        assert found.unrecorded == (erased[0],)
        assert found.done + found.known == (erased[1],)
        assert (office.size, len(await office.with_payloads()), len(await other.with_payloads())) == (size, 1, 1)
        assert await appliance.vault.find_subject(office.id, "ann") is None
    del appliance.erasures.refused[office.ledger_id]
    assert (await reapply(appliance.tombstones.read())).done == (erased[0],), "recorded once it is open"


async def test_tombstones_of_ledgers_that_are_not_here_are_strange(office: Office) -> None:
    await office.decide("ann")
    await office.subject("ann")
    (one,) = office.appliance.tombstones.found
    strange = [
        msgspec.structs.replace(one, id=uuid4(), ledger_id=str(uuid4())),
        msgspec.structs.replace(one, id=uuid4(), origin="other.example.com/ledgers/x"),
    ]
    office.appliance.tombstones.found = strange
    size = office.size
    found = await ReapplyErasures(erase=office.appliance.erase)(office.appliance.tombstones.read())
    assert found == Reapplied(strange=tuple(each.id for each in strange))
    assert office.size == size


async def test_an_organization_is_erased_again_even_if_it_was_open_then(office: Office) -> None:
    appliance = office.appliance
    await office.decide("ann")
    ledger = appliance.ledger._ledger(office.ledger_id)
    old = appliance.erasures._state(ledger)
    await appliance.manage_organizations.close(office.id)
    await appliance.erase.organization(SYSTEM, office.id, BASIS)
    appliance.erasures._put_back(ledger, old)
    await ReapplyErasures(erase=appliance.erase)(appliance.tombstones.read())
    (found,) = await appliance.accounts.organizations()
    assert None not in {found.closed_us, found.erased_us}
    assert str(office.id) not in appliance.data_keys.owned


async def test_tables_are_rewritten_once_for_all_and_again_until_it_works(office: Office) -> None:
    appliance, vacuum = office.appliance, CountedVacuum()
    finish = FinishErasures(store=appliance.erasures, vacuum=vacuum, clock=appliance.clock)
    assert await finish()
    assert vacuum.turns == []
    decision = await office.decide()
    for name in ("ann", "bob"):
        await office.decide(name)
        await office.subject(name)
    await appliance.erase.decision(SYSTEM, office.id, decision, BASIS)
    vacuum.too_large = {ErasureKind.DECISION}
    assert not await finish()
    waiting = await appliance.erasures.open_erasures(office.ledger_id)
    assert [one.tombstone.decision for one in waiting] == [decision], "of the others nothing is left to do"
    assert await finish(at_any_size=True)
    assert await finish()
    both, alone = {ErasureKind.SUBJECT, ErasureKind.DECISION}, {ErasureKind.DECISION}
    assert vacuum.turns == [(both, False), (alone, True)]
