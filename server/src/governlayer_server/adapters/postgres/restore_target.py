"""
An empty database that a backup is put into: ``ports.backups.RestoreTarget``.

Each step is one transaction, and a table of its own says which were done: whatever is killed, the database is never
taken for a whole one, and the restore goes on where it was. ``require_finished`` is asked before anything is served.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import connect_primary
from governlayer_server.adapters.postgres.database import Database, connect, failures_named
from governlayer_server.adapters.postgres.migrate import apply_migrations, known_migrations
from governlayer_server.adapters.postgres.names import quoted
from governlayer_server.domain.backup import KEY_TABLE, Column, Manifest, SequenceValue, Table
from governlayer_server.domain.errors import BackupError, ConfigurationError
from governlayer_server.ports.backups import Begun, ReadPart, Step

_CONNECT_S = 10.0
_SETTINGS = {
    "application_name": "governlayer-restore",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "10000",
}
_MARK = "unfinished_restore"
_RELATIONS = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r','p','v','m','S','f')"
)
_BEGIN = "CREATE TABLE unfinished_restore (backup_id text NOT NULL, step text NOT NULL)"
_FOREIGN_KEYS = """
SELECT conname AS name, relname AS table, pg_get_constraintdef(k.oid) AS definition
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0 ORDER BY 2, 1
"""
_STRAY_KEYS = "DELETE FROM subject_key k WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.id = k.ledger_id)"


async def require_finished(database: Database) -> None:
    """
    Return unless a restore into the database has begun and not ended.

    Raises:
        ConfigurationError: it has. Nothing may be served from it.
    """
    async with database.connection() as connection:
        if await connection.fetchval("SELECT to_regclass('public.unfinished_restore') IS NOT NULL"):
            raise ConfigurationError(
                "a restore into this database did not come to its end: run `governlayer restore` again, "
                "or empty the place and begin anew"
            )


class PostgresRestoreTarget:
    """
    The database of *owner*, who owns it, or at least its schema ``public``.

    Args:
        owner: of the tables that will be there.
        marked: the backup whose restore into this place has begun, by a mark that is not in the database: there it is
            the last to go, so that without one, and not empty, the database is whole.
    """

    def __init__(self, owner: PostgresAddress, marked: str | None = None) -> None:
        self._owner = owner
        self._marked = marked

    async def begun(self) -> Begun | None:
        """Return how far a restore has come."""
        async with self._connection() as connection:
            names = {row[0] for row in await connection.fetch(_RELATIONS)}
            if _MARK not in names:
                if names and self._marked is not None:
                    return Begun(backup_id=self._marked, step=Step.ENDED)
                if names:
                    raise BackupError(f"the database is not empty (it has {min(names)}): nothing was restored")
                return None
            row = await connection.fetchrow("SELECT backup_id, step FROM unfinished_restore")
        return None if row is None else Begun(backup_id=row[0], step=Step(row[1]))

    async def begin(self, backup_id: str) -> None:
        """Mark the empty database."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(f"DROP TABLE IF EXISTS {_MARK}")
            await connection.execute(_BEGIN)
            await connection.execute("INSERT INTO unfinished_restore VALUES ($1, $2)", backup_id, Step.BEGUN.value)

    async def make_schema(self, migrations: Sequence[str]) -> None:
        """Make the schema of the backup."""
        if unknown := sorted(set(migrations) - set(known_migrations())):
            raise BackupError(
                f"the backup has migrations that this version does not know ({', '.join(unknown)}): "
                "restore it with the version that made it, or a newer one"
            )
        await self._migrate(max(migrations))

    async def upgrade(self) -> None:
        """Bring the schema up to date."""
        await self._migrate(None)

    async def _migrate(self, up_to: str | None) -> None:
        database = await connect(self._owner, patient=True)
        try:
            await apply_migrations(database, up_to)
        finally:
            await database.close()

    async def load(self, manifest: Manifest, read: ReadPart) -> None:
        """Copy all rows, in one transaction."""
        async with self._connection() as connection:
            async with connection.transaction():
                keys = await _drop_foreign_keys(connection)
                for table in manifest.tables:
                    await _load(connection, table, read)
                await _add_foreign_keys(connection, keys)
                await _set_sequences(connection, manifest.sequences)
                await _done(connection, Step.LOADED)
            await connection.execute("ANALYZE")

    async def load_subject_keys(self, columns: Sequence[str], rows: AsyncIterator[bytes]) -> None:
        """Copy the data subjects' keys; those of ledgers that there are not in the backup have nothing to open."""
        async with self._connection() as connection, connection.transaction():
            if columns:
                keys = await _drop_foreign_keys(connection)
                async with _bare(connection, KEY_TABLE):
                    await connection.copy_to_table(KEY_TABLE, source=rows, columns=columns, format="binary")
                    await connection.execute(_STRAY_KEYS)
                await _add_foreign_keys(connection, keys)
            await _done(connection, Step.KEYED)

    async def finish(self) -> None:
        """Take the mark away."""
        async with self._connection() as connection:
            await connection.execute(f"DROP TABLE IF EXISTS {_MARK}")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["asyncpg.Connection[Any]"]:
        owner = self._owner
        with failures_named():
            connection = await connect_primary(owner, timeout=_CONNECT_S, server_settings=_SETTINGS)
            try:
                yield connection
            except asyncpg.InsufficientPrivilegeError:
                raise ConfigurationError("the database role may not make tables: a restore needs the owner") from None
            except (asyncpg.DataError, asyncpg.UndefinedObjectError, asyncpg.BadCopyFileFormatError) as error:
                raise BackupError(f"the database takes no rows of the backup: {error}") from None
            finally:
                await connection.close(timeout=_CONNECT_S)


async def _load(connection: "asyncpg.Connection[Any]", table: Table, read: ReadPart) -> None:
    if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"public.{quoted(table.name)}"):
        await connection.execute(f"CREATE TABLE {quoted(table.name)} ({', '.join(map(_defined, table.columns))})")
    names = [one.name for one in table.columns]
    async with _bare(connection, table.name):
        for part in table.parts:
            status = await connection.copy_to_table(table.name, source=read(part), columns=names, format="binary")
            if status != f"COPY {part.rows}":
                raise BackupError(f"{part.name} gave other rows than the manifest says ({status})")


@asynccontextmanager
async def _bare(connection: "asyncpg.Connection[Any]", table: str) -> AsyncIterator[None]:
    """Empty the table of what migrations put there, and keep its triggers from what is copied."""
    await connection.execute(f"ALTER TABLE {quoted(table)} DISABLE TRIGGER USER")
    await connection.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608  # nosec B608 - quoted
    yield
    await connection.execute(f"ALTER TABLE {quoted(table)} ENABLE TRIGGER USER")


async def _drop_foreign_keys(connection: "asyncpg.Connection[Any]") -> Sequence[asyncpg.Record]:
    """Drop them for a while: the order of tables does not matter then, and all rows are checked at once."""
    keys: list[asyncpg.Record] = await connection.fetch(_FOREIGN_KEYS)
    for key in keys:
        await connection.execute(f"ALTER TABLE {quoted(key['table'])} DROP CONSTRAINT {quoted(key['name'])}")
    return keys


async def _add_foreign_keys(connection: "asyncpg.Connection[Any]", keys: Sequence[asyncpg.Record]) -> None:
    for key in keys:
        added = f"ADD CONSTRAINT {quoted(key['name'])} {key['definition']}"
        await connection.execute(f"ALTER TABLE {quoted(key['table'])} {added}")


async def _set_sequences(connection: "asyncpg.Connection[Any]", sequences: Sequence[SequenceValue]) -> None:
    for one in sequences:
        if one.value is not None:
            query = "SELECT setval(c, $2) FROM to_regclass($1) AS c WHERE c IS NOT NULL"
            await connection.execute(query, f"public.{quoted(one.name)}", one.value)


async def _done(connection: "asyncpg.Connection[Any]", step: Step) -> None:
    await connection.execute("UPDATE unfinished_restore SET step = $1", step.value)


def _defined(column: Column) -> str:
    """Return a column of a table that no migration makes: a type that the catalog gave is SQL as it stands."""
    return f"{quoted(column.name)} {column.type}"
