"""The stored hashes of the ledgers' trees: tiles of c2sp.org/tlog-tiles (ledger-v1 §4), apart from the appends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from governlayer_server.domain.ledger.tiles import Tile


class TileStore(Protocol):
    """The tiles. What is stored only grows: a full tile never changes, and a part of one stays the beginning of it."""

    async def tiles(self, ledger_id: str, wanted: Iterable[Tile]) -> Mapping[Tile, bytes]:
        """Return the hashes of those of the *wanted* tiles that are stored, 1 to 256 of them, joined."""

    async def tiled(self, ledger_id: str) -> int:
        """Return how many tiles of level 0 are stored; they are full."""

    async def add_tiles(self, ledger_id: str, rows: Mapping[Tile, bytes]) -> None:
        """
        Store *rows*, all or none; one that is there with as many hashes, or more, stays as it is.

        Raises:
            LedgerDamaged: what is stored is not the beginning of what comes. Nothing was changed.
        """

    async def leaf_hashes(self, ledger_id: str, first: int, last: int) -> bytes:
        """
        Return the leaf hashes of the records *first* to *last*, joined (RFC 6962 §2.1).

        Raises:
            LedgerDamaged: one of the records is missing.
        """

    async def untiled(self) -> Sequence[str]:
        """Return the ids of all ledgers that have 256 records or more beyond their tiles."""
