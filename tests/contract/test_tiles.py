"""``ports.tiles.TileStore``, and what is proven with it: what every implementation promises."""

import asyncio

import pytest
from governlayer_server.domain.errors import LedgerDamaged, NotFound
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.ledger.tree import leaf_hash
from governlayer_server.usecases.tile_ledger import TileLedger

from tests.contract.conftest import World

FULL = bytes(range(256)) * 32


async def grow(world: World, count: int) -> list[bytes]:
    """Append *count* records; return the bytes of all."""
    for number in range(count):
        await world.ledger.append(world.append(number))
    size = (await world.ledger.head(world.ledger_id)).size
    return [one.record.canonical async for one in world.ledger.stream(world.ledger_id, 0, size - 1, ())]


async def test_a_tile_is_stored_and_read_back(world: World) -> None:
    await world.make_ledger()
    rows = {Tile(0, 0): FULL, Tile(1, 0): b"a" * 32}
    await world.ledger.add_tiles(world.ledger_id, rows)
    assert await world.ledger.tiles(world.ledger_id, [*rows, Tile(0, 1), Tile(1, 1)]) == rows
    assert await world.ledger.tiles(world.ledger_id, []) == {}
    assert await world.ledger.tiled(world.ledger_id) == 1


async def test_a_row_only_grows(world: World) -> None:
    await world.make_ledger()
    one, tile = world.ledger_id, Tile(1, 0)
    await world.ledger.add_tiles(one, {tile: b"a" * 64})
    await world.ledger.add_tiles(one, {tile: b"a" * 32})
    assert await world.ledger.tiles(one, [tile]) == {tile: b"a" * 64}, "what a slow replica adds is there already"
    await world.ledger.add_tiles(one, {tile: b"a" * 96})
    assert await world.ledger.tiles(one, [tile]) == {tile: b"a" * 96}
    with pytest.raises(LedgerDamaged):
        await world.ledger.add_tiles(one, {Tile(0, 0): FULL, tile: b"b" * 128})
    assert await world.ledger.tiles(one, [tile, Tile(0, 0)]) == {tile: b"a" * 96}, "all or none"


async def test_tiles_of_ledgers_are_apart(world: World) -> None:
    await world.make_ledger()
    other = World(ledger=world.ledger, accounts=world.accounts, clock=world.clock)
    await other.make_ledger()
    await world.ledger.add_tiles(world.ledger_id, {Tile(0, 0): FULL})
    assert await world.ledger.tiles(other.ledger_id, [Tile(0, 0)]) == {}
    assert await world.ledger.tiled(other.ledger_id) == 0


async def test_leaf_hashes_are_those_of_the_stored_bytes(world: World) -> None:
    await world.make_ledger()
    records = await grow(world, 5)
    assert await world.ledger.leaf_hashes(world.ledger_id, 1, 3) == b"".join(map(leaf_hash, records[1:4]))
    for first, last in ((3, 5), (5, 5)):
        with pytest.raises(LedgerDamaged, match="missing"):
            await world.ledger.leaf_hashes(world.ledger_id, first, last)


async def test_a_ledger_is_to_be_tiled_once_it_has_256_records_more(world: World) -> None:
    await world.make_ledger()
    await grow(world, 255)
    assert world.ledger_id not in await world.ledger.untiled()
    records = await grow(world, 1)
    assert world.ledger_id in await world.ledger.untiled()
    tile_ledger = TileLedger(ledger=world.ledger)
    await asyncio.gather(*(tile_ledger() for _ in range(4)))  # replicas at once
    assert world.ledger_id not in await world.ledger.untiled()
    rows = await world.ledger.tiles(world.ledger_id, [Tile(0, 0), Tile(1, 0)])
    assert rows[Tile(0, 0)] == b"".join(map(leaf_hash, records))
    assert len(rows[Tile(1, 0)]) == 32
    await tile_ledger.one(world.ledger_id)
    assert await world.ledger.tiled(world.ledger_id) == 1


async def test_a_ledger_that_is_not_there_is_not_tiled(world: World) -> None:
    with pytest.raises(NotFound):
        await TileLedger(ledger=world.ledger).one("none")
