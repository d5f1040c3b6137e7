"""
Tile the ledgers: store the hashes of their trees beside the appends, so that any proof is a few reads.

Any number of replicas may do it at once: each computes the same rows from the same records, and a row only grows.
"""

from msgspec import Struct

from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.proofs import whole
from governlayer_server.domain.ledger.tiles import (
    HEIGHT,
    TILE_BYTES,
    WIDTH,
    Tile,
    add_tile,
    edge_tiles,
    node_in,
    tile_of,
)
from governlayer_server.domain.ledger.tree import HASH_BYTES
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.refusals import NoGuard, WriteGuard
from governlayer_server.usecases.every_ledger import for_each_open

BATCH = 64


class TileLedger(Struct, frozen=True, kw_only=True):
    """Tiles ledgers. ``batch`` is how many tiles of level 0 one transaction stores."""

    ledger: LedgerStore
    guard: WriteGuard = NoGuard()
    batch: int = BATCH

    async def __call__(self) -> None:
        """
        Tile all ledgers that have grown by a tile or more.

        Raises:
            Exception: of the first ledger that failed, after all others have had their turn.
        """
        await for_each_open(await self.ledger.untiled(), self.one)

    async def one(self, ledger_id: str) -> None:
        """
        Tile one ledger up to where it stands.

        Raises:
            NotFound: there is no such ledger.
            LedgerDamaged: its records do not give its head; nothing is stored of the last batch.
            LedgerRefused: the ledger is closed. Nothing was stored.
            LedgerUnavailable: the database is away; what was tiled before stays.
        """
        self.guard.require_open(ledger_id)
        head = await self.ledger.head(ledger_id)
        done, full = await self.ledger.tiled(ledger_id), head.size // WIDTH
        while done < full:
            upto = min(done + self.batch, full)
            rows = await self._edge(ledger_id, done)
            before = dict(rows)
            await self._fill(ledger_id, rows, done, upto)
            if upto == full:
                _require_head(rows, head)
            changed = {tile: row for tile, row in rows.items() if before.get(tile) != row}
            await self.ledger.add_tiles(ledger_id, changed)
            done = upto

    async def _edge(self, ledger_id: str, tiles: int) -> dict[Tile, bytes]:
        wanted = edge_tiles(tiles)
        stored = await self.ledger.tiles(ledger_id, wanted)
        if any(len(stored.get(tile, b"")) < width * HASH_BYTES for tile, width in wanted.items()):
            raise LedgerDamaged("a stored tile is missing")
        # Another replica may have gone on in between; what it added is left out here, and added once more.
        return {tile: stored[tile][: width * HASH_BYTES] for tile, width in wanted.items()}

    async def _fill(self, ledger_id: str, rows: dict[Tile, bytes], first: int, end: int) -> None:
        hashes = await self.ledger.leaf_hashes(ledger_id, first * WIDTH, end * WIDTH - 1)
        for n in range(first, end):
            start = (n - first) * TILE_BYTES
            add_tile(rows, n, hashes[start : start + TILE_BYTES])


def _require_head(rows: dict[Tile, bytes], head: Head) -> None:
    """A wrong tile could never be taken back: what the records give is held against the head before it is stored."""
    for node, expected in zip(whole(head.size).nodes(), head.edge.hashes, strict=True):
        if node.level >= HEIGHT and node_in(rows[tile_of(node)], node) != expected:
            raise LedgerDamaged("the stored records do not give the ledger's head")
