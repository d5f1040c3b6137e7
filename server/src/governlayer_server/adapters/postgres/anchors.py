"""What others said of published checkpoints, on PostgreSQL: ``ports.anchors.AnchorStore``."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.rows import struct_of
from governlayer_server.ports.anchors import StoredCosignature, StoredTimestamp

_ADD_COSIGNATURE = """
INSERT INTO ledger_cosignature (ledger_id, size, witness, line, time_us) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_ADD_TIMESTAMP = """
INSERT INTO ledger_timestamp (ledger_id, size, token, time_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_COSIGNED_SIZE = "SELECT coalesce(max(size), 0) FROM ledger_cosignature WHERE ledger_id = $1 AND witness = $2"
_NEWEST_COSIGNED = "SELECT coalesce(max(size), 0) FROM ledger_cosignature WHERE ledger_id = $1 AND size <= $2"
_LINES = """
SELECT line FROM ledger_cosignature WHERE ledger_id = $1 AND size = $2 ORDER BY witness COLLATE "C"
"""
_TIMESTAMPS = """
SELECT ledger_id, size, token, time_us FROM ledger_timestamp
WHERE ledger_id = $1 AND size > $2 ORDER BY size LIMIT $3
"""


class PostgresAnchorStore:
    """``ports.anchors.AnchorStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def to_cosign(self, witness: str, but: Collection[str], limit: int) -> Sequence[str]:
        """Return ledgers whose newest checkpoint lacks *witness*."""
        return await self._names("ledgers_to_cosign", witness, but, limit)

    async def cosigned_size(self, ledger_id: str, witness: str) -> int:
        """Return the largest size that *witness* cosigned."""
        return int(await self._value(_COSIGNED_SIZE, ledger_id, witness))

    async def add_cosignature(self, cosignature: StoredCosignature) -> None:
        """Keep *cosignature*."""
        one = cosignature
        await self._insert(_ADD_COSIGNATURE, one.ledger_id, one.size, one.witness, one.line, one.time_us)

    async def cosignatures(self, ledger_id: str, size: int) -> Sequence[str]:
        """Return the lines of this checkpoint."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_LINES, ledger_id, size)
        return [row["line"] for row in rows]

    async def newest_cosigned(self, ledger_id: str, size: int) -> int:
        """Return the largest cosigned size of at most *size*."""
        return int(await self._value(_NEWEST_COSIGNED, ledger_id, size))

    async def cosigned_last_us(self, witness: str) -> int | None:
        """Return the time of the newest cosignature by *witness*."""
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval("SELECT cosigned_last($1)", witness)
        return found

    async def to_stamp(self, before_us: int, but: Collection[str], limit: int) -> Sequence[str]:
        """Return ledgers that are due for a time stamp."""
        return await self._names("ledgers_to_stamp", before_us, but, limit)

    async def add_timestamp(self, timestamp: StoredTimestamp) -> None:
        """Keep *timestamp*."""
        one = timestamp
        await self._insert(_ADD_TIMESTAMP, one.ledger_id, one.size, one.token, one.time_us)

    async def timestamps(self, ledger_id: str, after: int, limit: int) -> Sequence[StoredTimestamp]:
        """Return time stamps of larger sizes than *after*."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_TIMESTAMPS, ledger_id, after, limit)
        return [struct_of(row, StoredTimestamp) for row in rows]

    async def stamped_last_us(self) -> int | None:
        """Return the time of the newest time stamp."""
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval("SELECT stamped_last()")
        return found

    async def published_sizes(self) -> Mapping[str, int]:
        """Return the newest published size of every ledger."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT ledger_id, size FROM published_sizes()")
        return {row["ledger_id"]: row["size"] for row in rows}

    async def _names(self, function: str, by: object, but: Collection[str], limit: int) -> Sequence[str]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(f"SELECT {function}($1, $2, $3) AS id", by, list(but), limit)
        return [row["id"] for row in rows]

    async def _insert(self, statement: str, ledger_id: str, *rest: object) -> None:
        async with self._database.transaction(ledger_id) as connection:
            await connection.execute(statement, ledger_id, *rest)

    async def _value(self, query: str, ledger_id: str, other: object) -> Any:
        async with self._database.transaction(ledger_id) as connection:
            return await connection.fetchval(query, ledger_id, other)
