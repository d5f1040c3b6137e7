"""The signing keys on PostgreSQL: ``ports.ledger_keys.LedgerKeyStore``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database, failures_named
from governlayer_server.adapters.postgres.rows import struct_of
from governlayer_server.adapters.postgres.tables import LedgerKeyRow
from governlayer_server.ports.ledger_keys import KeyState, LedgerKey

_LOCK = 0x474C4B4559  # "GLKEY"
_ADD = """
INSERT INTO ledger_key (key_id, algorithm, vkey, wrapped_seed, state, introduced_us)
SELECT $1, $2, $3, $4, $5, $6 WHERE NOT ($7 AND EXISTS (SELECT FROM ledger_key WHERE algorithm = $2))
ON CONFLICT DO NOTHING RETURNING true
"""
_MOVE = """
UPDATE ledger_key SET state = $3,
    introduced_us = CASE WHEN $3 = 'active' THEN $4 ELSE introduced_us END,
    retired_us = CASE WHEN $3 = 'retired' THEN $4 ELSE retired_us END
WHERE key_id = $1 AND state = $2 RETURNING true
"""


class PostgresLedgerKeyStore:
    """``ports.ledger_keys.LedgerKeyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Sequence[LedgerKey]:
        """Return all keys, the oldest first."""
        with failures_named():
            rows = await LedgerKeyRow.select().order_by(LedgerKeyRow.number)
        return [struct_of(row, LedgerKey) for row in rows]

    async def add_first(self, key: LedgerKey) -> bool:
        """Store *key* if there is none of its algorithm."""
        return await self._add(key, only_first=True)

    async def add(self, key: LedgerKey) -> bool:
        """Store *key* unless another of its algorithm is being introduced."""
        return await self._add(key, only_first=False)

    async def _add(self, key: LedgerKey, *, only_first: bool) -> bool:
        async with self._database.transaction() as connection:
            # Of two first keys that are made at once, the second has to see the first.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            added = await connection.fetchval(
                _ADD, key.key_id, key.algorithm.value, key.vkey, key.wrapped_seed, key.state.value,
                key.introduced_us, only_first,
            )  # fmt: skip
        return added is not None

    async def rewrap(self, key_id: str, before: bytes, after: bytes) -> None:
        """Store the wrapped seed *after* in place of *before*, if it is that still."""
        async with self._database.connection() as connection:
            await connection.execute(
                "UPDATE ledger_key SET wrapped_seed = $3 WHERE key_id = $1 AND wrapped_seed = $2", key_id, before, after
            )

    async def move(self, key_id: str, before: KeyState, after: KeyState, now_us: int) -> bool:
        """Move the key on from one state to the next, if it is in the first."""
        async with self._database.connection() as connection:
            moved = await connection.fetchval(_MOVE, key_id, before.value, after.value, now_us)
        return moved is not None
