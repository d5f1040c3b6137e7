"""Proofs out of tiles: those of RFC 6962 over the records, or none at all."""

import asyncio
from typing import Any, cast

import pytest
from governlayer_server.domain.errors import InvalidRequest, LedgerDamaged, NotFound
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.ledger.tree import Edge, grow, leaf_hash
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.tile_ledger import TileLedger
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.rfc6962 import mth, path, proof
from tests.fakes.tiles import MemoryTiles

ID = "ledger"
LEAVES = [str(number).encode() for number in range(66_500)]


class Leaves(MemoryTiles):
    """A ledger of leaves that are no records."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.leaves = LEAVES[:size]
        edge = Edge()
        for leaf in self.leaves:
            edge = grow(edge, leaf_hash(leaf))
        self.at = Head(origin="o", hash=bytes(32), time_us=0, edge=edge)

    async def head(self, ledger_id: str) -> Head:
        assert ledger_id == ID
        return self.at

    def sizes(self) -> dict[str, int]:
        return {ID: len(self.leaves)}

    def canonical(self, ledger_id: str) -> list[bytes]:
        assert ledger_id == ID
        return self.leaves

    @property
    def prove(self) -> ProveLedger:
        return ProveLedger(ledger=cast("LedgerStore", self))

    @property
    def tile(self) -> TileLedger:
        return TileLedger(ledger=cast("LedgerStore", self))

    def spoil(self, tile: Tile, at: int) -> None:
        row = bytearray(self.tile_rows[ID, tile])
        row[at * 32] ^= 1
        self.tile_rows[ID, tile] = bytes(row)


LARGE = Leaves(66_500)


@settings(max_examples=15)
@given(st.data())
def test_proofs_of_every_size_are_those_of_the_definition(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 1_100) | st.integers(65_000, 66_500))
    seq = data.draw(st.integers(0, size - 1))

    async def all_three() -> tuple[Any, ...]:
        prove = LARGE.prove
        return (
            await prove.inclusion(ID, seq, size),
            await prove.consistency(ID, seq + 1, size),
            await prove.root(ID, size),
        )

    leaves = LEAVES[:size]
    expected = (tuple(path(seq, leaves)), tuple(proof(seq + 1, leaves)), mth(leaves))
    assert asyncio.run(all_three()) == expected


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 600])
async def test_proofs_at_the_edge_need_no_tiles_beforehand(size: int) -> None:
    prove = Leaves(size).prove
    assert await prove.root(ID, size) == mth(LEAVES[:size])
    assert await prove.root(ID, 0) == mth([])
    assert await prove.consistency(ID, 0, size) == ()
    assert await prove.consistency(ID, size, size) == ()
    for seq in {0, size // 2, size - 1} if size else set():
        assert await prove.inclusion(ID, seq, size) == tuple(path(seq, LEAVES[:size]))


@pytest.mark.parametrize(("seq", "size"), [(0, 0), (-1, 3), (3, 3), (0, 11), (0, -1), (11, 11)])
async def test_records_beyond_the_ledger_are_not_proven(seq: int, size: int) -> None:
    with pytest.raises(InvalidRequest):
        await Leaves(10).prove.inclusion(ID, seq, size)


@pytest.mark.parametrize(("first", "second"), [(-1, 3), (4, 3), (3, 11), (0, 11), (11, 12)])
async def test_sizes_beyond_the_ledger_are_not_proven(first: int, second: int) -> None:
    with pytest.raises(InvalidRequest):
        await Leaves(10).prove.consistency(ID, first, second)
    with pytest.raises(InvalidRequest):
        await Leaves(10).prove.root(ID, 11)


@pytest.mark.parametrize(
    ("tile", "at", "seq", "size"),
    [(Tile(0, 1), 3, 259, 300), (Tile(0, 1), 200, 456, 300), (Tile(1, 0), 0, 256, 300), (Tile(1, 0), 1, 0, 100)],
)
async def test_nothing_is_proven_with_an_altered_tile(tile: Tile, at: int, seq: int, size: int) -> None:
    store = Leaves(1_000)
    await store.tile.one(ID)
    store.spoil(tile, at)
    for which in range(200, 520, 9):
        try:
            told = await store.prove.inclusion(ID, which, 1_000)
        except LedgerDamaged:
            continue
        assert told == tuple(path(which, LEAVES[:1_000])), "what leaves is right, or nothing leaves"
    for call in (
        store.prove.inclusion(ID, seq, 1_000),
        store.prove.consistency(ID, size, 1_000),
        store.prove.consistency(ID, size, 999),
        store.prove.root(ID, size),
    ):
        with pytest.raises(LedgerDamaged, match="do not lead to the ledger's head"):
            await call


async def test_nothing_is_proven_with_an_altered_record() -> None:
    store = Leaves(1_000)
    await store.tile.one(ID)
    store.leaves = [*store.leaves[:993], b"other", *store.leaves[994:]]
    with pytest.raises(LedgerDamaged):
        await store.prove.inclusion(ID, 998, 999)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1_000, 66_500])
async def test_tiles_of_every_width_are_those_of_the_leaves(size: int) -> None:
    store = Leaves(size)
    hashes = b"".join(map(leaf_hash, LEAVES[:size]))
    last = (size - 1) // 256
    for n, width in {(0, min(size, 256)), (0, 1), (last, size - last * 256), (last, 1)}:
        start = n * 8192
        assert await store.prove.tile(ID, Tile(0, n), width) == hashes[start : start + width * 32]
    for tile, width in ((Tile(0, last), size - last * 256 + 1), (Tile(0, last + 1), 1), (Tile(9, 0), 1)):
        with pytest.raises(NotFound):
            await store.prove.tile(ID, tile, width)
    if size >= 1_000:
        assert await store.prove.tile(ID, Tile(1, 0), 3) == b"".join(mth(LEAVES[i * 256 :][:256]) for i in range(3))
    if size > 65_536:
        assert await store.prove.tile(ID, Tile(2, 0), 1) == mth(LEAVES[:65_536])


@pytest.mark.parametrize("at", [0, 1, 100, 255])
async def test_no_altered_tile_is_served(at: int) -> None:
    store = Leaves(1_000)
    await store.tile.one(ID)
    store.spoil(Tile(0, 1), at)
    with pytest.raises(LedgerDamaged):
        await store.prove.tile(ID, Tile(0, 1), 256)
    with pytest.raises(LedgerDamaged):
        await store.prove.tile(ID, Tile(0, 1), at + 1)
    store.spoil(Tile(1, 0), 1)
    with pytest.raises(LedgerDamaged):
        await store.prove.tile(ID, Tile(1, 0), 3)
    assert await store.prove.tile(ID, Tile(0, 2), 256), "its neighbour leads to the head"


async def test_a_tile_that_is_gone_is_named() -> None:
    store = Leaves(1_000)
    await store.tile.one(ID)
    del store.tile_rows[ID, Tile(0, 1)]
    store.tile_rows[ID, Tile(0, 9)] = bytes(8192)
    with pytest.raises(LedgerDamaged, match="missing"):
        await store.prove.inclusion(ID, 300, 1_000)


async def test_no_tile_is_stored_that_does_not_lead_to_the_head() -> None:
    store = Leaves(600)
    store.leaves = [*store.leaves[:5], b"other", *store.leaves[6:]]
    with pytest.raises(LedgerDamaged):
        await store.tile()
    assert store.tile_rows == {}


async def test_tiles_that_another_replica_has_extended_are_gone_on_from() -> None:
    store = Leaves(70 * 256)
    await store.tile.one(ID)
    expected = dict(store.tile_rows)
    del store.tile_rows[ID, Tile(0, 69)]
    await store.tile.one(ID)
    assert store.tile_rows == expected
