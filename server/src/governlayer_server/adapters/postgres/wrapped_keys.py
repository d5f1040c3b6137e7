"""All wrapped keys on PostgreSQL: ``ports.wrapped_keys.WrappedKeys``."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.ports.wrapped_keys import WrappedKey, WrappedKind

_OTHERWISE = "SELECT kind, owner, name, wrapped FROM wrapped_otherwise($1, $2)"
_REPLACE = {
    WrappedKind.SECRET: (
        "UPDATE secret SET wrapped = $3 WHERE $1 = '' AND purpose || '/' || number = $2 AND wrapped = $4"
    ),
    WrappedKind.DEPLOYMENT: "UPDATE deployment SET wrapped_seed = $3 WHERE $1 = $2 AND wrapped_seed = $4",
    WrappedKind.LEDGER_KEY: (
        "UPDATE ledger_key SET wrapped_seed = $3 WHERE $1 = '' AND key_id = $2 AND wrapped_seed = $4"
    ),
    WrappedKind.DATA_KEY: "UPDATE data_key SET wrapped = $3 WHERE owner = $1 AND number::text = $2 AND wrapped = $4",
    WrappedKind.SUBJECT_KEY: (
        "UPDATE subject_key SET wrapped = $3 WHERE ledger_id = $1 AND id = $2::text::uuid AND wrapped = $4"
    ),
}


class PostgresWrappedKeys:
    """``ports.wrapped_keys.WrappedKeys``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def otherwise(self, header: bytes, limit: int) -> Sequence[WrappedKey]:
        """Return up to *limit* keys that do not begin with *header*."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_OTHERWISE, header, limit)
        return [
            WrappedKey(kind=WrappedKind(row["kind"]), owner=row["owner"], name=row["name"], wrapped=row["wrapped"])
            for row in rows
        ]

    async def replace(self, key: WrappedKey, wrapped: bytes) -> bool:
        """Store *wrapped* in place of what *key* holds; return whether it was still so."""
        async with self._database.transaction(key.owner or None) as connection:
            done: str = await connection.execute(_REPLACE[key.kind], key.owner, key.name, wrapped, key.wrapped)
        return done == "UPDATE 1"
