"""The tiles of the ledgers on PostgreSQL: table ``ledger_tile``, which lets a row only grow."""

from collections.abc import Iterable, Mapping, Sequence

from asyncpg import IntegrityConstraintViolationError

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.domain.ledger.tiles import Tile
from governlayer_server.domain.ledger.tree import HASH_BYTES

_TILES = """
SELECT level, n, hashes FROM ledger_tile
WHERE ledger_id = $1 AND (level, n) IN (SELECT * FROM unnest($2::int[], $3::bigint[]))
"""
_TILED = "SELECT coalesce(max(n) + 1, 0) FROM ledger_tile WHERE ledger_id = $1 AND level = 0"
_ADD = """
INSERT INTO ledger_tile (ledger_id, level, n, hashes)
SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bytea[])
ON CONFLICT (ledger_id, level, n) DO UPDATE SET hashes = excluded.hashes
    WHERE length(ledger_tile.hashes) < length(excluded.hashes)
"""
# Hashed where the records are: their hashes are a twentieth of them.
_LEAF_HASHES = r"""
SELECT string_agg(sha256('\x00'::bytea || canonical), '' ORDER BY seq) FROM ledger_record
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3
"""


class PostgresTiles:
    """``ports.tiles.TileStore``."""

    _database: Database

    async def tiles(self, ledger_id: str, wanted: Iterable[Tile]) -> Mapping[Tile, bytes]:
        """Return the hashes of those of the *wanted* tiles that are stored."""
        levels, numbers = _columns(wanted)
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_TILES, ledger_id, levels, numbers)
        return {Tile(row["level"], row["n"]): row["hashes"] for row in rows}

    async def tiled(self, ledger_id: str) -> int:
        """Return how many tiles of level 0 are stored."""
        async with self._database.transaction(ledger_id) as connection:
            return int(await connection.fetchval(_TILED, ledger_id))

    async def add_tiles(self, ledger_id: str, rows: Mapping[Tile, bytes]) -> None:
        """
        Store *rows*, all or none; one that is there with as many hashes, or more, stays as it is.

        Raises:
            LedgerDamaged: what is stored is not the beginning of what comes. Nothing was changed.
        """
        ordered = sorted(rows)  # replicas that store the same rows never wait for each other in a circle
        hashes = [rows[tile] for tile in ordered]
        try:
            async with self._database.transaction(ledger_id) as connection:
                await connection.execute(_ADD, ledger_id, *_columns(ordered), hashes)
        except IntegrityConstraintViolationError as error:
            raise LedgerDamaged("the stored tiles are not the beginning of what the records give") from error

    async def leaf_hashes(self, ledger_id: str, first: int, last: int) -> bytes:
        """
        Return the leaf hashes of the records *first* to *last*, joined.

        Raises:
            LedgerDamaged: one of the records is missing.
        """
        async with self._database.transaction(ledger_id) as connection:
            hashes = bytes(await connection.fetchval(_LEAF_HASHES, ledger_id, first, last) or b"")
        if len(hashes) != (last + 1 - first) * HASH_BYTES:
            raise LedgerDamaged(f"a record is missing between {first} and {last}")
        return hashes

    async def untiled(self) -> Sequence[str]:
        """Return the ids of all ledgers that have 256 records or more beyond their tiles."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch("SELECT ledgers_to_tile() AS id")
        return [row["id"] for row in rows]


def _columns(tiles: Iterable[Tile]) -> tuple[list[int], list[int]]:
    listed = list(tiles)
    return [tile.level for tile in listed], [tile.n for tile in listed]
