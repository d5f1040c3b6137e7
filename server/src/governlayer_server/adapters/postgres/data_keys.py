"""Wrapped data keys on PostgreSQL: ``ports.data_keys.DataKeyStore``."""

from collections.abc import Sequence
from uuid import UUID

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.sealed_rows import LONG, LONG_S
from governlayer_server.ports.data_keys import DataKeyState, StoredDataKey, StoredSubjectKey

_KEYS = "SELECT number, wrapped, state FROM data_key WHERE owner = $1 ORDER BY number"
_ADD = """
INSERT INTO data_key (owner, number, wrapped, state, created_us) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_RETIRE = """
UPDATE data_key SET state = 'retiring' WHERE owner = $1 AND state = 'active'
AND NOT EXISTS (SELECT FROM data_key WHERE owner = $1 AND number = $2)
"""
_HOLD = "SELECT number FROM data_key WHERE owner = $1 AND number = $2 FOR UPDATE"
_DESTROY = """
DELETE FROM data_key WHERE owner = $1 AND number = $2 AND state = 'retiring'
AND NOT EXISTS (SELECT FROM ledger_payload WHERE ledger_id = $1 AND data_key_number(sealed) = $2)
AND NOT EXISTS (SELECT FROM idempotent_answer WHERE ledger_id = $1 AND data_key_number(sealed) = $2)
AND NOT EXISTS (
    SELECT FROM legal_hold WHERE ledger_id = $1 AND $2 IN (data_key_number(sealed), data_key_number(release_sealed))
    AND (subject_id IS NULL OR EXISTS (SELECT FROM subject_key k WHERE k.id = subject_id)))
AND NOT EXISTS (
    SELECT FROM app_user WHERE organization_id = tenant_organization() AND $2 IN (
        data_key_number(email_sealed), data_key_number(totp_sealed), data_key_number(totp_pending),
        data_key_number(password_hash)))
"""
_SUBJECTS = """
SELECT id, subject_index, wrapped FROM subject_key
WHERE ledger_id = $1 AND (subject_index = ANY ($2::bytea[]) OR id = ANY ($3::uuid[]))
"""
# In one order, so that two who add the same keys never wait for each other.
_ADD_SUBJECTS = """
INSERT INTO subject_key (ledger_id, id, subject_index, wrapped, created_us)
SELECT $1, given.id, given.index, given.wrapped, $5
FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS given (id, index, wrapped) ORDER BY given.index
ON CONFLICT DO NOTHING
"""


class PostgresDataKeys:
    """``ports.data_keys.DataKeyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def data_keys(self, owner: str) -> Sequence[StoredDataKey]:
        """Return all keys of the tenant, in the order of their numbers."""
        async with self._database.transaction(owner) as connection:
            rows = await connection.fetch(_KEYS, owner)
        return [
            StoredDataKey(number=row["number"], wrapped=row["wrapped"], state=DataKeyState(row["state"]))
            for row in rows
        ]

    async def add_data_key(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        """Store *key* unless the tenant has one of this number."""
        async with self._database.transaction(owner) as connection:
            await connection.execute(_ADD, owner, key.number, key.wrapped, key.state.value, now_us)

    async def succeed(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        """Store *key*, which is in service, unless the tenant has one of this number; the one before is retiring."""
        async with self._database.transaction(owner) as connection:
            await connection.execute(_RETIRE, owner, key.number)
            await connection.execute(_ADD, owner, key.number, key.wrapped, key.state.value, now_us)

    async def destroy_data_key(self, owner: str, number: int) -> bool:
        """Destroy a retiring key that nothing is encrypted under; return whether it is gone."""
        async with self._database.transaction(owner) as connection:
            # Held from here on: who writes under it has done so, or finds it gone.
            await connection.execute(_HOLD, owner, number)
            await connection.execute(LONG)
            await connection.execute(_DESTROY, owner, number, timeout=LONG_S)
            return await connection.fetchval(_HOLD, owner, number) is None

    async def subject_keys(
        self, owner: str, indexes: Sequence[bytes], ids: Sequence[UUID]
    ) -> Sequence[StoredSubjectKey]:
        """Return those keys of data subjects in the tenant's ledger that have one of *indexes* or *ids*."""
        async with self._database.transaction(owner) as connection:
            rows = await connection.fetch(_SUBJECTS, owner, list(indexes), list(ids))
        return [
            StoredSubjectKey(id=UUID(int=row["id"].int), index=row["subject_index"], wrapped=row["wrapped"])
            for row in rows
        ]

    async def add_subject_keys(self, owner: str, keys: Sequence[StoredSubjectKey], now_us: int) -> None:
        """Store *keys*; where a subject has one already, that one stays."""
        columns = [[one.id for one in keys], [one.index for one in keys], [one.wrapped for one in keys]]
        async with self._database.transaction(owner) as connection:
            await connection.execute(_ADD_SUBJECTS, owner, *columns, now_us)
