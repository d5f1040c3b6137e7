"""``ports.holds``: which holds there are, what they cover, and what has expired and is not covered."""

import asyncio
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.postgres.erasures import PostgresErasures
from governlayer_server.adapters.postgres.legal_holds import PostgresHolds
from governlayer_server.domain.erasure import Range
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.legal_hold import HoldScope
from governlayer_server.ports.erasures import ErasureStore
from governlayer_server.ports.holds import HoldStore, StoredHold
from governlayer_server.ports.ledger import SealedPayload
from msgspec.structs import replace

from tests.contract.conftest import ACTOR, World
from tests.fakes.account_store import MemoryAccountStore
from tests.fakes.data_keys import MemoryDataKeys
from tests.fakes.erasures import MemoryErasures
from tests.fakes.holds import MemoryHolds
from tests.fakes.ledger_store import MemoryLedgerStore

ALL = ("*",)
FAR = 2**53 - 1


@dataclass
class Holding:
    """A ledger with payloads, its holds, and what may destroy them."""

    world: World
    ledgers: ErasureStore
    store: HoldStore

    @property
    def ledger_id(self) -> str:
        return self.world.ledger_id

    async def decide(self, *subjects: UUID, names: tuple[str, ...] = ("content", "findings")) -> None:
        payloads = tuple(SealedPayload(name=name, sealed=b"sealed") for name in names)
        await self.world.ledger.append(self.world.append(payloads=payloads, subjects=subjects))

    async def add(self, **scope: object) -> StoredHold:
        hold = StoredHold(
            id=uuid4(), ledger_id=self.ledger_id, scope=HoldScope(**scope),  # type: ignore[arg-type]
            sealed=b"why", actor=ACTOR, created_us=5,
        )  # fmt: skip
        async with self.ledgers.hold(self.ledger_id) as held:
            await held.holds.add(hold)
        return hold

    async def release(self, hold: StoredHold) -> StoredHold:
        released = replace(hold, released_us=7, released_by=SYSTEM, release_sealed=b"over")
        async with self.ledgers.hold(self.ledger_id) as held:
            await held.holds.release(released)
        return released

    async def against(self, *ranges: Range, subjects: tuple[UUID, ...] = (), everything: bool = False) -> UUID | None:
        async with self.ledgers.hold(self.ledger_id) as held:
            return await held.holds.against(ranges, subjects, everything=everything)

    async def expired(self, *names: str, after: int = -1, last: int = FAR, limit: int = 100) -> list[int]:
        return list(await self.store.expired(self.ledger_id, names or ALL, after, last, limit))

    async def destroy(self, seqs: list[int], *names: str) -> list[int]:
        async with self.ledgers.hold(self.ledger_id) as held:
            return list(await held.holds.destroy_expired(seqs, names or ALL))

    async def payloads(self) -> list[tuple[int, str]]:
        stream = self.world.ledger.stream(self.ledger_id, 0, 100, ["content", "findings"])
        return [(one.record.seq, payload.name) async for one in stream for payload in one.payloads]


@pytest.fixture
async def holding(world: World, request: pytest.FixtureRequest) -> Holding:
    await world.make_ledger()
    if isinstance(world.ledger, MemoryLedgerStore):
        assert isinstance(world.data_keys, MemoryDataKeys)
        assert isinstance(world.accounts, MemoryAccountStore)
        erasures = MemoryErasures(world.ledger, world.data_keys, world.accounts)
        return Holding(world, erasures, MemoryHolds(erasures))
    database = request.getfixturevalue("database")
    return Holding(world, PostgresErasures(database, world.clock), PostgresHolds(database))


async def test_holds_are_kept_as_they_were_made_and_released(holding: Holding) -> None:
    ann = await holding.world.subject_key(b"ann")
    scopes = ({}, {"subject_id": ann}, {"first_seq": 3}, {"first_seq": 3, "last_seq": 3})
    made = sorted([await holding.add(**scope) for scope in scopes], key=lambda one: one.id)
    made[1] = await holding.release(made[1])
    assert await holding.store.page(holding.ledger_id, None, 3) == made[:3]
    assert await holding.store.page(holding.ledger_id, made[2].id, 3) == made[3:]
    assert [await holding.store.one(holding.ledger_id, one.id) for one in made] == made
    async with holding.ledgers.hold(holding.ledger_id) as held:
        assert await held.holds.one(made[1].id) == made[1]
        assert [await held.holds.has_subject(one) for one in (ann, uuid4())] == [True, False]
        with pytest.raises(NotFound):
            await held.holds.one(uuid4())
    with pytest.raises(NotFound):
        await holding.store.one(holding.ledger_id, uuid4())


async def test_a_hold_is_in_the_way_of_what_it_covers_and_of_nothing_else(holding: Holding) -> None:
    ann, bob = await holding.world.subject_key(b"ann"), await holding.world.subject_key(b"bob")
    for subjects in ((ann,), (bob,), (ann, bob), ()):
        await holding.decide(*subjects)
    about_ann = await holding.add(subject_id=ann)
    assert await holding.against((0, 0)) == about_ann.id
    assert await holding.against((1, 1), (3, 3), subjects=(bob,)) is None
    assert await holding.against((1, 2), subjects=(bob,)) == about_ann.id
    assert await holding.against(subjects=(ann,)) == about_ann.id
    assert await holding.against(everything=True) == about_ann.id
    await holding.release(about_ann)
    assert await holding.against((0, 3), subjects=(ann, bob), everything=True) is None
    middle = await holding.add(first_seq=1, last_seq=2)
    assert [await holding.against((seq, seq)) for seq in range(4)] == [None, middle.id, middle.id, None]
    assert await holding.against((0, 0), (3, 3)) is None
    assert await holding.against((0, 3)) == middle.id
    await holding.release(middle)
    onwards = await holding.add(first_seq=2)
    assert [await holding.against((seq, seq)) for seq in (1, 2, 1_000)] == [None, onwards.id, onwards.id]
    await holding.release(onwards)
    whole = await holding.add()
    assert await holding.against((0, 0)) == whole.id
    assert await holding.against(subjects=(bob,)) == whole.id


async def test_what_has_expired_is_found_and_destroyed_by_name(holding: Holding) -> None:
    ann = await holding.world.subject_key(b"ann")
    await holding.decide(ann)
    await holding.decide(names=("content",))
    await holding.decide(names=())
    await holding.decide(ann)
    assert await holding.expired() == [0, 1, 3]
    assert await holding.expired("findings") == [0, 3]
    assert await holding.expired(after=0, last=1) == [1]
    assert await holding.expired(limit=2) == [0, 1]
    assert await holding.destroy([0, 1, 2], "findings") == [0]
    assert await holding.payloads() == [(0, "content"), (1, "content"), (3, "content"), (3, "findings")]
    assert await holding.ledgers.seqs_of(holding.ledger_id, ann) == [0, 3]
    assert await holding.destroy([0, 1, 2, 9]) == [0, 1]
    assert await holding.destroy([0, 1, 2, 9]) == []
    assert await holding.expired() == [3]
    assert await holding.ledgers.seqs_of(holding.ledger_id, ann) == [3]


async def test_the_key_of_a_data_subject_goes_with_the_last_payload_that_names_it(holding: Holding) -> None:
    ann, bob = await holding.world.subject_key(b"ann"), await holding.world.subject_key(b"bob")
    for subjects in ((ann, bob), (bob,)):
        await holding.decide(*subjects)

    async def keys() -> set[bytes]:
        found = await holding.world.data_keys.subject_keys(holding.ledger_id, [b"ann", b"bob"], [])
        return {key.index for key in found}

    hold = await holding.add(subject_id=bob)
    assert await holding.destroy([0, 1]) == []
    await holding.release(hold)
    assert await holding.destroy([0, 1], "content") == [0, 1]
    assert await keys() == {b"ann", b"bob"}
    assert await holding.destroy([0]) == [0]
    assert await keys() == {b"bob"}
    assert await holding.destroy([1]) == [1]
    assert await keys() == set()


async def test_what_a_hold_covers_does_not_expire_until_it_is_released(holding: Holding) -> None:
    ann, bob = await holding.world.subject_key(b"ann"), await holding.world.subject_key(b"bob")
    for subjects in ((ann,), (bob,), (ann, bob), ()):
        await holding.decide(*subjects)
    for scope, free in (
        ({"subject_id": ann}, [1, 3]), ({"first_seq": 0, "last_seq": 1}, [2, 3]), ({"first_seq": 2}, [0, 1]), ({}, []),
    ):  # fmt: skip
        hold = await holding.add(**scope)
        assert await holding.expired() == free
        assert await holding.destroy([seq for seq in range(4) if seq not in free]) == []
        await holding.release(hold)
    assert await holding.expired() == [0, 1, 2, 3]


async def test_the_last_record_before_a_moment_is_found(holding: Holding) -> None:
    clock, moments = holding.world.clock, list[int]()
    assert await holding.store.last_before(holding.ledger_id, FAR) == -1
    for _ in range(5):
        moments.append(clock.now_us())
        await holding.decide()
        clock.advance(1_000_000)
    for seq, moment in enumerate(moments):
        assert await holding.store.last_before(holding.ledger_id, moment) == seq - 1
        assert await holding.store.last_before(holding.ledger_id, moment + 1) == seq


async def test_nobody_makes_a_hold_while_something_is_destroyed(holding: Holding) -> None:
    await holding.decide()
    async with holding.ledgers.hold(holding.ledger_id) as held:
        waiting = asyncio.ensure_future(holding.add())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert list(await held.holds.destroy_expired([0], ALL)) == [0]
    await waiting
