"""``ports.erasures.ErasureStore``: what is destroyed together, found again, and finished later."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.postgres.erasures import PostgresErasures
from governlayer_server.domain.account import User
from governlayer_server.domain.erasure import ErasureKind, Range, Target, Tombstone, count
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey
from governlayer_server.ports.erasures import ErasureStore, StoredErasure
from governlayer_server.ports.ledger import AnswerExists, Append, Remember, SealedPayload, SubjectGone
from msgspec.structs import replace

from tests.contract.conftest import World
from tests.contract.test_account_store import key_of, organization, user_of
from tests.fakes.account_store import MemoryAccountStore
from tests.fakes.data_keys import MemoryDataKeys
from tests.fakes.erasures import MemoryErasures
from tests.fakes.ledger_store import MemoryLedgerStore

ANN, BOB = b"ann", b"bob"


@dataclass
class Erasing:
    """A ledger with records that name data subjects, and the store that erases from it."""

    world: World
    store: ErasureStore

    @property
    def ledger_id(self) -> str:
        return self.world.ledger_id

    async def decide(self, *subjects: UUID, key: bytes | None = None) -> UUID:
        payloads = tuple(SealedPayload(name=name, sealed=b"sealed") for name in ("content", "context"))
        expires_us = self.world.clock.now_us() + 1_000_000_000
        remember = None if key is None else Remember(key=key, body=b"body", sealed=b"answer", expires_us=expires_us)
        append = self.world.append(payloads=payloads, subjects=subjects, remember=remember)
        await self.world.ledger.append(append)
        return append.record_id

    async def with_payloads(self) -> set[int]:
        stream = self.world.ledger.stream(self.ledger_id, 0, 100, ["content", "context"])
        return {one.record.seq async for one in stream if one.payloads}

    def tombstone(self, *ranges: Range, subjects: tuple[UUID, ...] = (), **members: object) -> Tombstone:
        given = {
            "id": uuid4(), "ledger_id": self.ledger_id, "origin": self.world.origin, "kind": ErasureKind.SUBJECT,
            "subjects": subjects, "decision": None, "ranges": ranges, "basis": "law", "actor": SYSTEM,
            "records": count(ranges), "erasure_records": (), "time_us": 1, **members,
        }  # fmt: skip
        return Tombstone(**given)  # type: ignore[arg-type]


def stored(tombstone: Tombstone, finished_us: int | None = 1) -> StoredErasure:
    return StoredErasure(tombstone=tombstone, certificate="text\n", finished_us=finished_us)


@pytest.fixture
async def erasing(world: World, request: pytest.FixtureRequest) -> Erasing:
    await world.make_ledger()
    if isinstance(world.ledger, MemoryLedgerStore):
        assert isinstance(world.data_keys, MemoryDataKeys)
        assert isinstance(world.accounts, MemoryAccountStore)
        return Erasing(world, MemoryErasures(world.ledger, world.data_keys, world.accounts))
    return Erasing(world, PostgresErasures(request.getfixturevalue("database"), world.clock))


def erasure(world: World, number: int = 0) -> Append:
    return world.append(number, record_type="erasure")


async def test_keys_and_payloads_of_some_records_go_and_those_of_others_stay(erasing: Erasing) -> None:
    ann, bob = await erasing.world.subject_key(ANN), await erasing.world.subject_key(BOB)
    for named in ((ann,), (), (bob,), (ann, bob), (bob,)):
        await erasing.decide(*named)
    assert await erasing.store.subject(erasing.ledger_id, ANN) == ann
    assert await erasing.store.seqs_of(erasing.ledger_id, ann) == [0, 3]
    tombstone = erasing.tombstone((0, 0), (3, 3), subjects=(ann,))
    async with erasing.store.hold(erasing.ledger_id) as held:
        assert held.head.size == 5
        assert await held.subject(ANN) == ann
        assert list(await held.seqs_of(ann, 0)) == [3]
        await held.destroy_subjects([ann])
        await held.destroy_payloads([0, 3])
        records = await held.append([erasure(erasing.world, 1), erasure(erasing.world, 2)])
        await held.keep(stored(tombstone), ANN)
    assert [record.seq for record in records] == [5, 6]
    assert (await erasing.world.ledger.head(erasing.ledger_id)).hash == records[-1].hash
    assert await erasing.with_payloads() == {1, 2, 4}
    assert await erasing.store.subject(erasing.ledger_id, ANN) is None
    assert await erasing.store.subject(erasing.ledger_id, BOB) == bob
    assert await erasing.store.seqs_of(erasing.ledger_id, bob) == [2, 4]
    assert await erasing.store.find(erasing.ledger_id, tombstone.id) == stored(tombstone)
    with pytest.raises(SubjectGone):
        await erasing.decide(ann)


async def test_what_fails_destroys_nothing(erasing: Erasing) -> None:
    ann = await erasing.world.subject_key(ANN)
    await erasing.decide(ann, key=b"question")
    tombstone = erasing.tombstone((0, 0), subjects=(ann,))

    async def fail() -> None:
        async with erasing.store.hold(erasing.ledger_id) as held:
            await held.destroy_subjects([ann])
            await held.destroy_payloads([0])
            await held.append([erasure(erasing.world)])
            await held.keep(stored(tombstone), ANN)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert (await erasing.world.ledger.head(erasing.ledger_id)).size == 1
    assert await erasing.with_payloads() == {0}
    assert await erasing.store.seqs_of(erasing.ledger_id, ann) == [0]
    assert await erasing.world.ledger.answer(erasing.ledger_id, b"question", erasing.world.clock.now_us())
    with pytest.raises(NotFound):
        await erasing.store.find(erasing.ledger_id, tombstone.id)
    await erasing.decide(ann)


async def test_answers_kept_for_the_records_go_with_them(erasing: Erasing) -> None:
    await erasing.decide(key=b"first")
    await erasing.decide(key=b"second")
    async with erasing.store.hold(erasing.ledger_id) as held:
        await held.destroy_payloads([0])
    now_us = erasing.world.clock.now_us()
    assert await erasing.world.ledger.answer(erasing.ledger_id, b"first", now_us) is None
    assert await erasing.world.ledger.answer(erasing.ledger_id, b"second", now_us) is not None


async def test_an_answer_to_the_same_question_ends_it(erasing: Erasing) -> None:
    await erasing.decide(key=b"asked")
    remember = Remember(key=b"asked", body=b"body", sealed=b"s", expires_us=erasing.world.clock.now_us() + 9)
    async with erasing.store.hold(erasing.ledger_id) as held:
        with pytest.raises(AnswerExists):
            await held.append([replace(erasure(erasing.world), remember=remember)])
    assert (await erasing.world.ledger.head(erasing.ledger_id)).size == 1


async def test_records_are_found_by_id(erasing: Erasing) -> None:
    first = await erasing.decide()
    second = await erasing.decide()
    async with erasing.store.hold(erasing.ledger_id) as held:
        assert [await held.seq_of(one) for one in (first, second, uuid4())] == [0, 1, None]
        with pytest.raises(NotFound):
            await held.organization()


async def test_the_newest_erasure_of_the_same_thing_is_found_and_no_other(erasing: Erasing) -> None:
    decision = uuid4()
    ids = [UUID(int=number) for number in range(1, 5)]
    base = uuid4().int & ~0xFF
    ids = [UUID(int=base + one.int) for one in ids]
    kept = [
        (erasing.tombstone(id=ids[0]), ANN),
        (erasing.tombstone(id=ids[1]), ANN),
        (erasing.tombstone(id=ids[2], kind=ErasureKind.DECISION, decision=decision), None),
        (erasing.tombstone(id=ids[3], kind=ErasureKind.ORGANIZATION), None),
    ]
    async with erasing.store.hold(erasing.ledger_id) as held:
        for tombstone, index in kept:
            await held.keep(stored(tombstone), index)
        assert await held.earlier(Target(subject=ANN)) == ids[1]
        assert await held.earlier(Target(subject=BOB)) is None
        assert await held.earlier(Target(decision=decision)) == ids[2]
        assert await held.earlier(Target(decision=uuid4())) is None
        assert await held.earlier(Target()) == ids[3]
        assert await held.erased(ids[0])
        assert not await held.erased(uuid4())
    pages = await erasing.store.page(erasing.ledger_id, None, 2), await erasing.store.page(erasing.ledger_id, ids[1], 9)
    assert [[one.tombstone.id for one in page] for page in pages] == [ids[:2], ids[2:]]


async def test_what_waits_for_its_removal_is_no_payload_any_more(erasing: Erasing) -> None:
    for _ in range(3):
        await erasing.decide()
    tombstone = erasing.tombstone((0, 1))
    async with erasing.store.hold(erasing.ledger_id) as held:
        await held.keep(stored(tombstone, finished_us=None), None)
        if isinstance(erasing.store, MemoryErasures):
            await held.destroy_payloads([0, 1])
    assert await erasing.with_payloads() == {2}
    assert erasing.ledger_id in await erasing.store.open_ledgers()
    await erasing.store.remove_payloads(erasing.ledger_id, [0, 1])
    await erasing.store.note_finished(erasing.ledger_id, tombstone.id, 7)
    assert await erasing.with_payloads() == {2}
    assert [one.finished_us for one in await erasing.store.open_erasures(erasing.ledger_id)] == [7]
    await erasing.store.note_vacuumed(erasing.ledger_id, [tombstone.id], 8)
    assert await erasing.store.open_erasures(erasing.ledger_id) == []
    assert erasing.ledger_id not in await erasing.store.open_ledgers()
    found = await erasing.store.find(erasing.ledger_id, tombstone.id)
    assert (found.finished_us, found.vacuumed_us) == (7, 8)


async def test_an_organization_loses_keys_members_and_name_and_no_other_one_does(erasing: Erasing) -> None:
    world, users = erasing.world, list[User]()
    await world.ledger.create(SYSTEM_LEDGER, None, "test/ledgers/system")
    mine, theirs = organization(), organization()
    for one in (mine, theirs):
        users.append(user_of(one))
        async with world.accounts.tenant(one.id) as tenant:
            await tenant.add_organization(one, f"test/ledgers/{one.id}")
            await tenant.users.add(users[-1])
            await tenant.keys.add(key_of(one))
        for number, state in ((0, DataKeyState.INDEX), (1, DataKeyState.ACTIVE)):
            await world.data_keys.add_data_key(str(one.id), StoredDataKey(number=number, wrapped=b"w", state=state), 1)
    before = (await world.ledger.head(SYSTEM_LEDGER)).size
    whole = stored(erasing.tombstone(ledger_id=str(mine.id), kind=ErasureKind.ORGANIZATION, time_us=9), None)
    async with erasing.store.hold(str(mine.id)) as held:
        assert (await held.organization()).id == mine.id
        await held.destroy_data_keys()
        await held.append([replace(erasure(world), ledger_id=str(mine.id))])
        await held.note_at_deployment(replace(world.append(), ledger_id=SYSTEM_LEDGER))
        await held.keep(whole, None)
    assert (await world.ledger.head(SYSTEM_LEDGER)).size == before + 1
    while await erasing.store.remove_rest(mine.id, 1):
        pass
    assert await world.data_keys.data_keys(str(mine.id)) == []
    assert len(await world.data_keys.data_keys(str(theirs.id))) == 2
    found = {one.id: one for one in await world.accounts.organizations()}
    assert (found[mine.id].name, found[mine.id].erased_us, found[mine.id].closed_us) == ("erased", 9, 9)
    assert found[theirs.id] == theirs
    for one, left in ((mine, 0), (theirs, 1)):
        async with world.accounts.tenant(one.id) as tenant:
            assert (len(await tenant.users.all()), len(await tenant.keys.all())) == (left, left)


async def test_keys_of_a_ledger_that_takes_no_record_are_destroyed_all_the_same(erasing: Erasing) -> None:
    ann, bob = await erasing.world.subject_key(ANN), await erasing.world.subject_key(BOB)
    first = await erasing.decide(ann)
    await erasing.decide(bob)
    async with erasing.store.closed(erasing.ledger_id) as closed:
        assert (closed.origin, closed.size) == (erasing.world.origin, 2)
        assert (await closed.seq_of(first), await closed.seqs_of(bob, -1)) == (0, [1])
        await closed.destroy_subjects([ann])
    assert await erasing.store.subject(erasing.ledger_id, ANN) is None
    assert await erasing.store.subject(erasing.ledger_id, BOB) == bob
    assert (await erasing.world.ledger.head(erasing.ledger_id)).size == 2
    with pytest.raises(NotFound):
        await erasing.store.closed(str(uuid4())).__aenter__()


async def test_who_holds_a_ledger_keeps_others_from_appending_until_it_is_done(erasing: Erasing) -> None:
    ann = await erasing.world.subject_key(ANN)
    await erasing.decide(ann)
    async with erasing.store.hold(erasing.ledger_id) as held:
        waiting = asyncio.ensure_future(erasing.decide(ann))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await held.destroy_subjects([ann])
        await held.append([erasure(erasing.world)])
    with pytest.raises(SubjectGone):
        await waiting
    assert (await erasing.world.ledger.head(erasing.ledger_id)).size == 2


async def test_there_is_nothing_to_hold_of_a_ledger_that_is_none(erasing: Erasing) -> None:
    with pytest.raises(NotFound):
        await erasing.store.hold(str(uuid4())).__aenter__()
