"""The layout of c2sp.org/tlog-tiles: names, and where the hash of a subtree is found."""

import pytest
from governlayer_server.domain.ledger.proofs import Node
from governlayer_server.domain.ledger.tiles import (
    MAX_INDEX,
    TILE_BYTES,
    Tile,
    TilePath,
    add_tile,
    bundle,
    edge_tiles,
    node_in,
    parse_tile_path,
    split_hashes,
    subtree_root,
    tile_of,
    tile_path,
    width_for,
)
from governlayer_server.domain.ledger.tree import leaf_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.rfc6962 import mth

LEAVES = [str(number).encode() for number in range(256 * 260)]
PATHS = st.builds(TilePath, st.none() | st.integers(0, 63), st.integers(0, MAX_INDEX), st.integers(1, 256))


def tiles_over(count: int) -> dict[Tile, bytes]:
    rows: dict[Tile, bytes] = {}
    for n in range(count):
        add_tile(rows, n, b"".join(map(leaf_hash, LEAVES[n * 256 : (n + 1) * 256])))
    return rows


TILES = tiles_over(260)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (TilePath(0, 1_234_067), "0/x001/x234/067"),
        (TilePath(0, 0), "0/000"),
        (TilePath(1, 999, 17), "1/999.p/17"),
        (TilePath(63, 1000), "63/x001/000"),
        (TilePath(None, 273, 112), "entries/273.p/112"),
        (TilePath(None, 5), "entries/005"),
    ],
)
def test_paths_are_those_of_the_specification(path: TilePath, text: str) -> None:
    assert tile_path(path) == text
    assert parse_tile_path(text) == path


@given(PATHS)
def test_every_path_is_read_back(path: TilePath) -> None:
    assert parse_tile_path(tile_path(path)) == path


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "0/", "0/0", "0/00", "0/0000", "0/1000", "0/x000/001", "0/x001", "0/x01/001", "0/001/002", "00/001",
        "01/001", "64/001", "99/001", "-1/001", "a/001", "0/001.p", "0/001.p/", "0/001.p/0", "0/001.p/256",
        "0/001.p/257", "0/001.p/999", "0/001.p/01", "0/001.p/1/", "0/001/", "/0/001", "0//001", "0/ 01", "0/001\n",
        "0/٠٠١", "entries", "entries/1", "Entries/001", "0/entries/001", "0/x999/" * 9 + "001",
        "0/x010/x000/x000/x000/x000/x000/000",
    ],
)  # fmt: skip
def test_what_is_not_the_one_path_of_a_tile_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not the path of a tile"):
        parse_tile_path(text)


def test_seventy_thousand_leaves_lie_as_the_specification_says() -> None:
    """Its example: 273 full tiles, one full tile and 17 hashes above them, 1 hash on top."""
    assert edge_tiles(273) == {Tile(1, 1): 17, Tile(2, 0): 1}
    assert edge_tiles(256) == {Tile(2, 0): 1}
    assert edge_tiles(0) == {}


def test_tiles_grow_into_the_levels_above() -> None:
    assert len(TILES[Tile(0, 259)]) == len(TILES[Tile(1, 0)]) == TILE_BYTES
    assert (len(TILES[Tile(1, 1)]), len(TILES[Tile(2, 0)])) == (4 * 32, 32)
    assert TILES[Tile(2, 0)] == mth(LEAVES[:65_536])
    assert split_hashes(TILES[Tile(1, 1)])[3] == mth(LEAVES[259 * 256 : 260 * 256])
    for count in (1, 255, 256, 257):
        assert edge_tiles(count) == {
            tile: len(row) // 32 for tile, row in tiles_over(count).items() if tile.level and len(row) < TILE_BYTES
        }


@settings(max_examples=50)
@given(st.integers(0, 16), st.data())
def test_the_hash_of_every_subtree_is_found_in_its_tile(level: int, data: st.DataObject) -> None:
    node = Node(level, data.draw(st.integers(0, (len(LEAVES) >> level) - 1)))
    tile = TILES[tile_of(node)]
    expected = mth(LEAVES[node.n << level : (node.n + 1) << level])
    assert node_in(tile, node) == expected
    assert node_in(tile[: width_for(node) * 32], node) == expected, "no more of the tile is needed"


def test_the_root_over_one_hash_is_itself() -> None:
    assert subtree_root(b"x" * 32) == b"x" * 32


def test_a_bundle_has_each_entry_after_its_length() -> None:
    assert bundle([b"", b"ab", b"c" * 258]) == b"\0\0" + b"\0\2ab" + b"\1\2" + b"c" * 258
    with pytest.raises(OverflowError):
        bundle([bytes(65_536)])
