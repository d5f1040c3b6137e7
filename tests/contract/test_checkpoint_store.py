"""``ports.checkpoints.CheckpointStore``: what every implementation promises."""

import asyncio

import pytest
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore, Fork
from governlayer_server.ports.ledger import LedgerStore

from tests.contract.conftest import World
from tests.fakes.checkpoints import MemoryCheckpointStore
from tests.fakes.ledger_store import MemoryLedgerStore

ROOT = bytes(range(32))


@pytest.fixture
def store(world: World, request: pytest.FixtureRequest) -> CheckpointStore:
    if isinstance(world.ledger, MemoryLedgerStore):
        return MemoryCheckpointStore(world.ledger)
    return PostgresCheckpointStore(request.getfixturevalue("database"))


def checkpoint(ledger_id: str, size: int, extends: int = 0, note: str = "note") -> Checkpoint:
    return Checkpoint(ledger_id=ledger_id, size=size, root=ROOT, note=note, published_us=size * 7, extends=extends)


async def grow(ledger: LedgerStore, world: World, count: int) -> None:
    for number in range(count):
        await ledger.append(world.append(number))


async def test_checkpoints_come_back_as_they_were_published(world: World, store: CheckpointStore) -> None:
    ledger_id = await world.make_ledger()
    assert await store.newest(ledger_id) is None
    assert await store.newest_within(ledger_id, 9) is None
    line = [checkpoint(ledger_id, 3), checkpoint(ledger_id, 5, 3), checkpoint(ledger_id, 9, 5)]
    assert [await store.add(one) for one in line] == [True, True, True]
    assert await store.newest(ledger_id) == line[2]
    assert [await store.at(ledger_id, size) for size in (5, 6)] == [line[1], None]
    assert [await store.newest_within(ledger_id, size) for size in (2, 3, 8, 9)] == [None, line[0], line[1], line[2]]
    assert list(await store.after(ledger_id, 0, 2)) == line[:2]
    assert list(await store.after(ledger_id, 3, 10)) == line[1:]
    assert list(await store.after(ledger_id, 9, 10)) == []


async def test_no_two_have_one_size_or_extend_the_same(world: World, store: CheckpointStore) -> None:
    ledger_id = await world.make_ledger()
    assert await store.add(checkpoint(ledger_id, 3))
    assert not await store.add(checkpoint(ledger_id, 3, note="other"))
    assert not await store.add(checkpoint(ledger_id, 4))
    assert await store.add(checkpoint(ledger_id, 5, 3))
    assert not await store.add(checkpoint(ledger_id, 6, 3))
    assert [one.size for one in await store.after(ledger_id, 0, 10)] == [3, 5]
    assert (await store.at(ledger_id, 3)) == checkpoint(ledger_id, 3)


async def test_of_many_that_publish_at_once_one_does(world: World, store: CheckpointStore) -> None:
    ledger_id = await world.make_ledger()
    added = await asyncio.gather(*(store.add(checkpoint(ledger_id, size)) for size in range(1, 9)))
    assert added.count(True) == 1
    assert [one.size for one in await store.after(ledger_id, 0, 10)] == [1 + added.index(True)]


async def test_a_ledger_has_grown_until_its_checkpoint_has_its_size(world: World, store: CheckpointStore) -> None:
    ledger_id = await world.make_ledger()
    assert ledger_id not in await store.grown(), "an empty ledger has nothing to publish"
    await grow(world.ledger, world, 2)
    assert ledger_id in await store.grown()
    await store.add(checkpoint(ledger_id, 2))
    assert ledger_id not in await store.grown()
    await grow(world.ledger, world, 1)
    assert ledger_id in await store.grown()


async def test_a_ledger_smaller_than_its_checkpoint_is_named_too(world: World, store: CheckpointStore) -> None:
    ledger_id = await world.make_ledger()
    await grow(world.ledger, world, 1)
    await store.add(checkpoint(ledger_id, 4))
    assert ledger_id in await store.grown()


async def test_the_first_evidence_of_a_fork_is_kept(world: World, store: CheckpointStore) -> None:
    ledger_id = await world.make_ledger()
    fork = Fork(ledger_id=ledger_id, published_size=4, size=3, root=ROOT, head_hash=ROOT[::-1], found_us=5)
    later = Fork(ledger_id=ledger_id, published_size=4, size=9, root=ROOT, head_hash=ROOT, found_us=6)
    assert await store.add_fork(fork)
    assert not await store.add_fork(later)
    assert list(await store.forks(ledger_id)) == [fork]
