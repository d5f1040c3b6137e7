"""Which key-encryption keys there are, on PostgreSQL: ``ports.key_encryption.KekStore``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.ports.key_encryption import KekState, KnownKek

_ADD = """
INSERT INTO key_encryption_key (key_id, check_value, state, created_us) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_MOVE = """
UPDATE key_encryption_key SET state = $3, retired_us = CASE WHEN $3 = 'retired' THEN $4::bigint END
WHERE key_id = $1 AND state = $2 RETURNING true
"""
_MAKE_PREVIOUS = """
UPDATE key_encryption_key SET state = 'previous'
WHERE state = 'active' AND EXISTS (SELECT FROM key_encryption_key WHERE key_id = $1 AND state = 'next')
"""


class PostgresKeks:
    """``ports.key_encryption.KekStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[KnownKek]:
        """Return all, the oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT key_id, check_value, state FROM key_encryption_key ORDER BY number")
        return [
            KnownKek(key_id=row["key_id"], check_value=row["check_value"], state=KekState(row["state"])) for row in rows
        ]

    async def add(self, key: KnownKek, now_us: int) -> None:
        """Store *key* unless it, or another one in its state, is there."""
        async with self._database.connection() as connection:
            await connection.execute(_ADD, key.key_id, key.check_value, key.state.value, now_us)

    async def move(self, key_id: str, before: KekState, after: KekState, now_us: int) -> bool:
        """Move the key on from one state to the next; return whether it was in the first."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_MOVE, key_id, before.value, after.value, now_us) is not None

    async def activate(self, key_id: str) -> None:
        """Make the next key, if it is that one, the active one; what was active is the previous one, in one step."""
        async with self._database.transaction() as connection:
            await connection.execute(_MAKE_PREVIOUS, key_id)
            await connection.execute(
                "UPDATE key_encryption_key SET state = 'active' WHERE key_id = $1 AND state = 'next'", key_id
            )

    async def changes(self) -> int:
        """Return how often any key was changed or destroyed."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval("SELECT changes FROM key_change"))

    async def count_change(self) -> None:
        """Let every process read the keys anew within a second."""
        async with self._database.connection() as connection:
            await connection.execute("UPDATE key_change SET changes = changes + 1")
