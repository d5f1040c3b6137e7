"""One consistent snapshot of the database, for a backup: ``ports.backups.Snapshot``."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import connect_primary
from governlayer_server.adapters.postgres.database import failures_named
from governlayer_server.adapters.postgres.names import quoted
from governlayer_server.domain.backup import Column, LedgerState, SequenceValue
from governlayer_server.domain.errors import BackupError, Conflict
from governlayer_server.domain.ledger.tree import edge_from_bytes, root
from governlayer_server.ports.backups import Key, SourceTable, Take

_LOCK = 0x474C4241434B  # "GLBACK"
_CONNECT_S = 10.0
# Row security off: a role that it binds gets an error, where it would otherwise get some of the rows.
_SETTINGS = {
    "application_name": "governlayer-backup",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "10000",
    "row_security": "off",
}
_TABLES = """
SELECT c.oid, c.relname AS name, pg_table_size(c.oid) AS bytes,
    ARRAY(SELECT attname::text FROM pg_attribute a JOIN pg_index i ON a.attrelid = i.indrelid
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY(i.indkey)
        ORDER BY array_position(i.indkey::int2[], a.attnum)) AS key
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 2
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""
_SEQUENCES = (
    "SELECT sequencename::text AS name, last_value AS value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1"
)
_LEDGERS = """
SELECT l.id, l.origin, l.size, l.head_hash, l.edge,
    (SELECT note FROM ledger_checkpoint c WHERE c.ledger_id = l.id ORDER BY c.size DESC LIMIT 1) AS note
FROM ledger l ORDER BY 1
"""


@asynccontextmanager
async def open_snapshot(owner: PostgresAddress) -> AsyncIterator["PostgresSnapshot"]:
    """
    Yield a snapshot of the database as it is now; no other backup of it runs meanwhile.

    Args:
        owner: who owns the tables: row level security binds everybody else.

    Raises:
        LedgerUnavailable: the database cannot be reached.
        Conflict: another backup of it is running.
        BackupError: the role may not read all rows.
    """
    connection = await _connected(owner)
    try:
        with failures_named(), _rights_named():
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                raise Conflict("another backup of this database is running")
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield PostgresSnapshot(connection, owner)
    finally:
        await connection.close(timeout=_CONNECT_S)


async def _connected(owner: PostgresAddress) -> "asyncpg.Connection[Any]":
    with failures_named():
        return await connect_primary(owner, timeout=_CONNECT_S, server_settings=_SETTINGS)


@contextmanager
def _rights_named() -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError:
        raise BackupError("the database role may not read all rows: a backup needs the owner of the tables") from None


class PostgresSnapshot:
    """Reads within one transaction."""

    def __init__(self, connection: "asyncpg.Connection[Any]", owner: PostgresAddress) -> None:
        self._connection = connection
        self._owner = owner

    @property
    def server_version(self) -> str:
        """The version of PostgreSQL."""
        version = self._connection.get_server_version()
        return f"{version.major}.{version.minor}"

    async def migrations(self) -> Sequence[str]:
        """Return what was applied."""
        rows = await self._connection.fetch("SELECT name FROM migration WHERE app_name = 'governlayer' ORDER BY name")
        return [row[0] for row in rows]

    async def tables(self) -> Sequence[SourceTable]:
        """Return all tables; none of them changes its form while the snapshot is open."""
        rows = await self._connection.fetch(_TABLES)
        for row in rows:
            await self._connection.execute(f"LOCK TABLE {quoted(row['name'])} IN ACCESS SHARE MODE")
        return [await self._table(row) for row in rows]

    async def _table(self, row: asyncpg.Record) -> SourceTable:
        columns = await self._connection.fetch(_COLUMNS, row["oid"])
        return SourceTable(
            name=row["name"],
            columns=tuple(Column(*one) for one in columns),
            key=tuple(row["key"]),
            rows=await self._connection.fetchval(_select("count(*)", row["name"])),
            bytes=row["bytes"],
        )

    async def sequences(self) -> Sequence[SequenceValue]:
        """Return all sequences."""
        return [SequenceValue(**dict(row)) for row in await self._connection.fetch(_SEQUENCES)]

    async def ledgers(self) -> Sequence[LedgerState]:
        """Return all ledgers."""
        return [_state(row) for row in await self._connection.fetch(_LEDGERS)]

    async def vkeys(self) -> Sequence[str]:
        """Return the verifier keys."""
        rows = await self._connection.fetch("SELECT vkey FROM ledger_key WHERE algorithm = 'ed25519' ORDER BY number")
        return [row[0] for row in rows]

    async def record_hash(self, ledger_id: str, seq: int) -> str | None:
        """Return the stored hash of a record."""
        query = "SELECT hash FROM ledger_record WHERE ledger_id = $1 AND seq = $2"
        found = await self._connection.fetchval(query, ledger_id, seq)
        return None if found is None else bytes(found).hex()

    async def copy_records(self, table: SourceTable, ledger_id: str, first: int, last: int, take: Take) -> int:
        """Copy records of one ledger."""
        query = f"{_rows(table)} WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq"
        return await self._copy(query, take, ledger_id, first, last)

    async def page_end(self, table: SourceTable, after: Key | None, rows: int) -> Key | None:
        """Return where a page ends."""
        if not table.key:
            return None
        key, values = ", ".join(map(quoted, table.key)), after or ()
        query = f"{_select(key, table.name)}{_where(table, after, None)} ORDER BY {key} OFFSET {rows - 1} LIMIT 1"
        found = await self._connection.fetchrow(query, *values)
        return None if found is None else tuple(found.values())

    async def copy_page(self, table: SourceTable, after: Key | None, up_to: Key | None, take: Take) -> int:
        """Copy rows."""
        order = f" ORDER BY {', '.join(map(quoted, table.key))}" if table.key else ""
        query = f"{_rows(table)}{_where(table, after, up_to)}{order}"
        return await self._copy(query, take, *(after or ()), *(up_to or ()))

    async def copy_now(self, table: SourceTable, take: Take) -> int:
        """Copy rows over a connection of its own, which sees what has been written since."""
        connection = await _connected(self._owner)
        try:
            with failures_named():
                return await PostgresSnapshot(connection, self._owner).copy_page(table, None, None, take)
        finally:
            await connection.close(timeout=_CONNECT_S)

    async def _copy(self, query: str, take: Take, *values: object) -> int:
        status = await self._connection.copy_from_query(query, *values, output=take, format="binary")
        return int(status.rpartition(" ")[2])


def _rows(table: SourceTable) -> str:
    return _select(", ".join(quoted(one.name) for one in table.columns), table.name)


def _select(what: str, table: str) -> str:
    """Return the query; all names in it come from the catalog, and are quoted."""
    return f"SELECT {what} FROM {quoted(table)}"  # noqa: S608  # nosec B608


def _where(table: SourceTable, after: Key | None, up_to: Key | None) -> str:
    """Return the condition of a page; the values of *after*, then of *up_to*, are its arguments."""
    key, conditions, given = f"({', '.join(map(quoted, table.key))})", list[str](), 0
    for sign, values in ((">", after), ("<=", up_to)):
        if values is not None:
            conditions.append(f"{key} {sign} ({', '.join(f'${given + n + 1}' for n in range(len(values)))})")
            given += len(values)
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _state(row: asyncpg.Record) -> LedgerState:
    try:
        found = root(edge_from_bytes(row["size"], row["edge"])).hex()
    except ValueError:
        found = ""
    return LedgerState(
        id=row["id"],
        origin=row["origin"],
        size=row["size"],
        head_hash=row["head_hash"].hex(),
        root=found,
        checkpoint=row["note"],
    )
