"""``ports.anchors.AnchorStore``: what every implementation promises."""

from dataclasses import dataclass

import pytest
from governlayer_server.adapters.postgres.anchors import PostgresAnchorStore
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.ports.anchors import AnchorStore, StoredCosignature, StoredTimestamp
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore

from tests.contract.conftest import World
from tests.fakes.anchors import MemoryAnchorStore
from tests.fakes.checkpoints import MemoryCheckpointStore
from tests.fakes.ledger_store import MemoryLedgerStore

MANY = 1000


@dataclass
class Stores:
    """The stores of one implementation; the witness is one that no other test has."""

    world: World
    checkpoints: CheckpointStore
    anchors: AnchorStore

    @property
    def witness(self) -> str:
        return f"{self.world.ledger_id}+00000000"

    async def publish(self, *sizes: int, published_us: int = 7) -> str:
        ledger_id = await self.world.make_ledger()
        for size, extends in zip(sizes, (0, *sizes), strict=False):
            await self.checkpoints.add(
                Checkpoint(ledger_id=ledger_id, size=size, root=bytes(32), note=f"note {size}",
                           published_us=published_us + size, extends=extends)
            )  # fmt: skip
        return ledger_id

    def cosignature(self, size: int, line: str = "line", witness: str | None = None) -> StoredCosignature:
        return StoredCosignature(
            ledger_id=self.world.ledger_id, size=size, witness=witness or self.witness, line=line, time_us=100 + size
        )

    def timestamp(self, size: int, time_us: int, token: bytes = b"token") -> StoredTimestamp:
        return StoredTimestamp(ledger_id=self.world.ledger_id, size=size, token=token, time_us=time_us)


@pytest.fixture
def stores(world: World, request: pytest.FixtureRequest) -> Stores:
    if isinstance(world.ledger, MemoryLedgerStore):
        memory = MemoryCheckpointStore(world.ledger)
        return Stores(world, memory, MemoryAnchorStore(memory))
    database = request.getfixturevalue("database")
    return Stores(world, PostgresCheckpointStore(database), PostgresAnchorStore(database))


async def test_a_ledger_waits_for_a_witness_until_its_newest_checkpoint_is_cosigned(stores: Stores) -> None:
    ledger_id = await stores.publish()
    assert ledger_id not in await stores.anchors.to_cosign(stores.witness, (), MANY)
    await stores.publish(3, 5)
    assert ledger_id in await stores.anchors.to_cosign(stores.witness, (), MANY)
    assert ledger_id not in await stores.anchors.to_cosign(stores.witness, [ledger_id], MANY)
    await stores.anchors.add_cosignature(stores.cosignature(3))
    assert ledger_id in await stores.anchors.to_cosign(stores.witness, (), MANY)
    await stores.anchors.add_cosignature(stores.cosignature(5))
    assert ledger_id not in await stores.anchors.to_cosign(stores.witness, (), MANY)
    assert ledger_id in await stores.anchors.to_cosign("another+00000000", (), MANY)


async def test_who_waits_longest_is_first(stores: Stores) -> None:
    first = await stores.publish(1, published_us=-2)
    stores.world.ledger_id += "-second"
    second = await stores.publish(1, published_us=-1)
    assert list(await stores.anchors.to_cosign(stores.witness, (), 2)) == [first, second]
    assert list(await stores.anchors.to_cosign(stores.witness, (), 1)) == [first]


async def test_cosignatures_come_back_by_witness_and_the_first_stays(stores: Stores) -> None:
    ledger_id = await stores.publish(3, 5, 9)
    for one in (
        stores.cosignature(3, "b", "w2+00000000"),
        stores.cosignature(3, "a", "w1+00000000"),
        stores.cosignature(3, "other", "w1+00000000"),
        stores.cosignature(5),
    ):
        await stores.anchors.add_cosignature(one)
    assert list(await stores.anchors.cosignatures(ledger_id, 3)) == ["a", "b"]
    assert list(await stores.anchors.cosignatures(ledger_id, 9)) == []
    sizes = [await stores.anchors.newest_cosigned(ledger_id, size) for size in (2, 3, 4, 5, MANY)]
    assert sizes == [0, 3, 3, 5, 5]
    assert await stores.anchors.cosigned_size(ledger_id, "w1+00000000") == 3
    assert await stores.anchors.cosigned_size(ledger_id, stores.witness) == 5
    assert await stores.anchors.cosigned_size(ledger_id, "w3+00000000") == 0
    assert await stores.anchors.cosigned_last_us(stores.witness) == 105
    assert await stores.anchors.cosigned_last_us("nobody+00000000") is None


async def test_a_ledger_is_due_for_a_stamp_when_it_grew_and_its_last_one_is_old(stores: Stores) -> None:
    ledger_id = await stores.publish(3)
    assert ledger_id in await stores.anchors.to_stamp(0, (), MANY)
    assert ledger_id not in await stores.anchors.to_stamp(0, [ledger_id], MANY)
    await stores.anchors.add_timestamp(stores.timestamp(3, 1_000))
    assert ledger_id not in await stores.anchors.to_stamp(2_000, (), MANY), "it has not grown"
    await stores.checkpoints.add(
        Checkpoint(ledger_id=ledger_id, size=5, root=bytes(32), note="n", published_us=9, extends=3)
    )
    assert ledger_id not in await stores.anchors.to_stamp(999, (), MANY), "the last one is new"
    assert ledger_id in await stores.anchors.to_stamp(1_000, (), MANY)


async def test_time_stamps_come_back_and_the_first_stays(stores: Stores) -> None:
    ledger_id = await stores.publish(3, 5, 9)
    line = [stores.timestamp(size, 2**50 + size) for size in (3, 5, 9)]
    for one in (line[2], line[0], line[1], stores.timestamp(3, 1, b"other")):
        await stores.anchors.add_timestamp(one)
    assert list(await stores.anchors.timestamps(ledger_id, 0, MANY)) == line
    assert list(await stores.anchors.timestamps(ledger_id, 3, 1)) == [line[1]]
    assert list(await stores.anchors.timestamps(ledger_id, 9, MANY)) == []
    assert await stores.anchors.stamped_last_us() == 2**50 + 9


async def test_the_newest_published_sizes_of_all_ledgers_are_told(stores: Stores) -> None:
    ledger_id = await stores.publish()
    assert ledger_id not in await stores.anchors.published_sizes()
    await stores.publish(3, 5)
    assert (await stores.anchors.published_sizes())[ledger_id] == 5
