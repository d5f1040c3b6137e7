"""
Tiles of height 8: how the hashes of a tree are laid out and named (c2sp.org/tlog-tiles, ledger-v1 §4).

Tile *n* of level *l* holds up to 256 hashes; hash *i* of it is the root over the 256^l leaves from
``(n * 256 + i) * 256^l``. So each perfect subtree lies within one tile. Where an entry bundle is meant, the level
is None.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from governlayer_server.domain.ledger.proofs import Node
from governlayer_server.domain.ledger.tree import HASH_BYTES, node_hash

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
MAX_LEVEL = 63
MAX_INDEX = 2**63 - 1
_PATH = re.compile(r"(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(NamedTuple):
    """Which tile: its level, and its number within the level."""

    level: int
    n: int


class TilePath(NamedTuple):
    """What the path of a tile or entry bundle names: ``level`` None is a bundle; ``width`` is 1 to 256 hashes."""

    level: int | None
    n: int
    width: int = WIDTH


def tile_path(path: TilePath) -> str:
    """
    Return the path below ``tile/``.

    >>> tile_path(TilePath(0, 1_234_067)), tile_path(TilePath(None, 7, width=3))
    ('0/x001/x234/067', 'entries/007.p/3')
    """
    groups = f"{path.n:,}".split(",")
    digits = [f"{int(group):03d}" for group in groups]
    number = "/".join([*(f"x{group}" for group in digits[:-1]), digits[-1]])
    kind = "entries" if path.level is None else str(path.level)
    return f"{kind}/{number}" + (f".p/{path.width}" if path.width < WIDTH else "")


def parse_tile_path(text: str) -> TilePath:
    """
    Return what a path below ``tile/`` names; each tile has one path.

    Raises:
        ValueError: *text* is not the path of a tile.

    >>> parse_tile_path("1/x001/002.p/17")
    TilePath(level=1, n=1002, width=17)
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise ValueError("not the path of a tile")
    kind, number, width = match.groups()
    level = None if kind == "entries" else int(kind)
    path = TilePath(level, int(number.replace("/", "").replace("x", "")), int(width or WIDTH))
    if (level or 0) > MAX_LEVEL or path.n > MAX_INDEX or tile_path(path) != text:
        raise ValueError("not the path of a tile")
    return path


def tile_of(node: Node) -> Tile:
    """Return the tile that has the hashes below *node*, or the hash of *node* itself."""
    level, above = divmod(node.level, HEIGHT)
    return Tile(level, node.n >> (HEIGHT - above))


def width_for(node: Node) -> int:
    """Return how many hashes the tile of *node* must have to give the hash of *node*."""
    above = node.level % HEIGHT
    return ((node.n << above) % WIDTH) + (1 << above)


def node_in(tile: bytes, node: Node) -> bytes:
    """
    Return the hash of *node*, 32 bytes.

    Args:
        tile: the hashes of ``tile_of(node)``, at least ``width_for(node)`` of them.
        node: a perfect subtree.
    """
    end = width_for(node)
    start = end - (1 << node.level % HEIGHT)
    return subtree_root(tile[start * HASH_BYTES : end * HASH_BYTES])


def subtree_root(hashes: bytes) -> bytes:
    """Return the root over a power of two of joined hashes, 32 bytes."""
    level = split_hashes(hashes)
    while len(level) > 1:
        level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def split_hashes(joined: bytes) -> list[bytes]:
    """Return the hashes of a tile one by one."""
    return [joined[start : start + HASH_BYTES] for start in range(0, len(joined), HASH_BYTES)]


def edge_tiles(tiles: int) -> dict[Tile, int]:
    """Return the tiles above level 0 that are filled in part, and their widths, where level 0 has *tiles* full ones."""
    found, level, count = {}, 1, tiles
    while count:
        if width := count % WIDTH:
            found[Tile(level, count // WIDTH)] = width
        level, count = level + 1, count // WIDTH
    return found


def add_tile(rows: dict[Tile, bytes], n: int, hashes: bytes) -> None:
    """
    Put the full tile *n* of level 0 into *rows*, and what follows from it into the tiles above.

    Args:
        rows: has the tiles that ``edge_tiles(n)`` names; changed.
        n: all tiles before it have been put in.
        hashes: 256 leaf hashes, joined.
    """
    tile, row = Tile(0, n), hashes
    rows[tile] = row
    while len(row) == TILE_BYTES:
        above = Tile(tile.level + 1, tile.n // WIDTH)
        row = (rows[above] if tile.n % WIDTH else b"") + subtree_root(row)
        rows[above], tile = row, above


def bundle(entries: Iterable[bytes]) -> bytes:
    """
    Return the entry bundle of *entries*: each after its length, 2 bytes big-endian.

    Args:
        entries: canonical bytes of records, of which each has at most 65,535 (ledger-v1 §2.1: 16,384).
    """
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
