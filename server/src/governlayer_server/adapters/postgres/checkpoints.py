"""The published checkpoints on PostgreSQL: ``ports.checkpoints.CheckpointStore``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.rows import struct_of
from governlayer_server.ports.checkpoints import Checkpoint, Fork

_LARGEST = 2**63 - 1
_SELECT = "SELECT ledger_id, size, root, note, published_us, extends FROM ledger_checkpoint WHERE ledger_id = $1 "
# Both keys fence: one checkpoint of a size, and one that extends another. Whoever comes second stores nothing.
_ADD = """
INSERT INTO ledger_checkpoint (ledger_id, size, root, note, published_us, extends)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true
"""
_ADD_FORK = """
INSERT INTO ledger_fork (ledger_id, published_size, size, root, head_hash, found_us)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true
"""
_FORKS = """
SELECT ledger_id, published_size, size, root, head_hash, found_us FROM ledger_fork
WHERE ledger_id = $1 ORDER BY published_size
"""


class PostgresCheckpointStore:
    """``ports.checkpoints.CheckpointStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, ledger_id: str) -> Checkpoint | None:
        """Return the largest checkpoint of the ledger."""
        return await self.newest_within(ledger_id, _LARGEST)

    async def newest_within(self, ledger_id: str, size: int) -> Checkpoint | None:
        """Return the largest checkpoint of at most *size*."""
        return await self._one(_SELECT + "AND size <= $2 ORDER BY size DESC LIMIT 1", ledger_id, size)

    async def at(self, ledger_id: str, size: int) -> Checkpoint | None:
        """Return the checkpoint of exactly this size."""
        return await self._one(_SELECT + "AND size = $2", ledger_id, size)

    async def after(self, ledger_id: str, size: int, limit: int) -> Sequence[Checkpoint]:
        """Return up to *limit* checkpoints larger than *size*, smallest first."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_SELECT + "AND size > $2 ORDER BY size LIMIT $3", ledger_id, size, limit)
        return [struct_of(row, Checkpoint) for row in rows]

    async def add(self, checkpoint: Checkpoint) -> bool:
        """Publish *checkpoint* unless another has its place."""
        async with self._database.transaction(checkpoint.ledger_id) as connection:
            added = await connection.fetchval(
                _ADD, checkpoint.ledger_id, checkpoint.size, checkpoint.root, checkpoint.note,
                checkpoint.published_us, checkpoint.extends,
            )  # fmt: skip
        return added is not None

    async def grown(self) -> Sequence[str]:
        """Return the ledgers whose size is not that of their newest checkpoint."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT ledgers_to_publish() AS ledger_id")
        return [row["ledger_id"] for row in rows]

    async def add_fork(self, fork: Fork) -> bool:
        """Keep *fork*, unless there is one for its checkpoint."""
        async with self._database.transaction(fork.ledger_id) as connection:
            added = await connection.fetchval(
                _ADD_FORK, fork.ledger_id, fork.published_size, fork.size, fork.root, fork.head_hash, fork.found_us
            )
        return added is not None

    async def forks(self, ledger_id: str) -> Sequence[Fork]:
        """Return the evidence kept of the ledger."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_FORKS, ledger_id)
        return [struct_of(row, Fork) for row in rows]

    async def _one(self, query: str, ledger_id: str, size: int) -> Checkpoint | None:
        async with self._database.transaction(ledger_id) as connection:
            row = await connection.fetchrow(query, ledger_id, size)
        return None if row is None else struct_of(row, Checkpoint)
