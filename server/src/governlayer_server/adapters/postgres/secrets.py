"""Wrapped secrets on PostgreSQL: ``ports.secrets.SecretStore``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.ports.secrets import SecretPurpose, SecretState, StoredSecret

_ALL = "SELECT purpose, number, wrapped, state, moved_us FROM secret ORDER BY purpose, number"
_ADD = """
INSERT INTO secret (purpose, number, wrapped, state, moved_us) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_MAKE_PREVIOUS = """
UPDATE secret SET state = 'previous', moved_us = $3 WHERE purpose = $1 AND state = 'active'
AND EXISTS (SELECT FROM secret WHERE purpose = $1 AND number = $2 AND state = 'next')
"""
_MAKE_ACTIVE = """
UPDATE secret SET state = 'active', moved_us = $3 WHERE purpose = $1 AND number = $2 AND state = 'next' RETURNING true
"""
_REMOVE = "DELETE FROM secret WHERE purpose = $1 AND number = $2 AND state = 'previous' RETURNING true"


class PostgresSecrets:
    """``ports.secrets.SecretStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[StoredSecret]:
        """Return all, by purpose and number."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_ALL)
        return [
            StoredSecret(
                purpose=SecretPurpose(row["purpose"]),
                number=row["number"],
                wrapped=row["wrapped"],
                state=SecretState(row["state"]),
                moved_us=row["moved_us"],
            )
            for row in rows
        ]

    async def add(self, secret: StoredSecret) -> None:
        """Store *secret* unless there is one of this number, or one in this state."""
        async with self._database.connection() as connection:
            await connection.execute(
                _ADD, secret.purpose.value, secret.number, secret.wrapped, secret.state.value, secret.moved_us
            )

    async def activate(self, purpose: SecretPurpose, number: int, now_us: int) -> bool:
        """Put the next secret, if it is that one, in service; what was is the previous one."""
        async with self._database.transaction() as connection:
            await connection.execute(_MAKE_PREVIOUS, purpose.value, number, now_us)
            return await connection.fetchval(_MAKE_ACTIVE, purpose.value, number, now_us) is not None

    async def remove(self, purpose: SecretPurpose, number: int) -> bool:
        """Remove the previous secret, if it is that one; return whether it was."""
        async with self._database.connection() as connection:
            return await connection.fetchval(_REMOVE, purpose.value, number) is not None
