"""
``ports.erasures.Vacuum`` on PostgreSQL: tables written anew, and the write-ahead log let go of.

A removed row stays in its table's file until its space is used again, and in the log until the log's old segments are
removed. ``VACUUM (FULL)`` writes a table and its indexes to new files; after a switch of segments, a checkpoint lets
the old ones go (where they are not kept to be used again: ``wal_recycle``).

A row that an older snapshot may still see is written to the new file too. Whether one was is told by ``relfrozenxid``:
all that was removed by transactions before it is gone.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import asyncpg

from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.connecting import connect_primary
from governlayer_server.adapters.postgres.database import failures_named
from governlayer_server.domain.erasure import ErasureKind

_LOCK = 0x474C564143  # "GLVAC"
_CONNECT_S = 5.0
_SETTINGS = {"application_name": "governlayer vacuum", "lock_timeout": "200"}
# Writers wait while a table is written anew: some tenths of a second for so many bytes.
MAX_BYTES = 16 * 1_048_576
_KEYS = ("subject_key", "data_key")
_PEOPLE = (
    "organization", "app_user", "session", "one_time_token", "familiar_address", "api_key", "api_key_event",
    "usage_count",
)  # fmt: skip
_TABLES = {
    ErasureKind.SUBJECT: ("subject_key", "ledger_subject"),
    ErasureKind.DECISION: ("ledger_payload", "idempotent_answer"),
    ErasureKind.ORGANIZATION: (*_KEYS, "ledger_subject", *_PEOPLE),
}
_SIZE = "SELECT pg_total_relation_size($1::regclass)"
_NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
_IS_OVER = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric >= $1::text::numeric"
_IS_GONE = """
SELECT age(relfrozenxid) <= age(((($1::text::numeric) % 4294967296)::text)::xid) FROM pg_class WHERE oid = $2::regclass
"""
_WAIT_S, _TURNS = 0.05, 20
_FIRST_REST_S, _LONGEST_REST_S = 10.0, 600.0
# What ANALYZE had sampled before it was told not to; for superusers only.
_SAMPLES = """
DELETE FROM pg_statistic USING pg_attribute
WHERE starelid = attrelid AND staattnum = attnum AND attstattarget = 0
"""


class PostgresVacuum:
    """
    Rewrites tables on a connection of its own.

    Args:
        address: of a role that may (``MAINTAIN``, PostgreSQL 17); the log is let go of where the role may that too.
    """

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._rest_s = _FIRST_REST_S
        self._rests_until_s = 0.0

    async def __call__(self, kinds: Collection[ErasureKind], *, at_any_size: bool = False) -> Collection[ErasureKind]:
        """
        Rewrite the tables that erasures of *kinds* left remnants in; return the kinds of which all were.

        What is too large is left as it is, again and again, at no cost. What could not be done for another reason is
        left for longer each time, up to ten minutes, unless it is to be done at any size. A table
        counts as rewritten only if no older snapshot kept a removed row in it. One process does it at a time; another
        one's turn is over at once, and nothing is done.

        Raises:
            LedgerUnavailable: the database is away, or went away meanwhile.
        """
        if asyncio.get_running_loop().time() < self._rests_until_s and not at_any_size:
            return ()
        with failures_named():
            connection = await self._connect()
            try:
                if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                    return ()
                sizes = {table: await connection.fetchval(_SIZE, table) for kind in kinds for table in _TABLES[kind]}
                fit = [kind for kind in kinds if at_any_size or all(sizes[one] <= MAX_BYTES for one in _TABLES[kind])]
                tables = sorted({table for kind in fit for table in _TABLES[kind]})
                removed_before = await _all_over(connection) if tables else ""
                done = {table for table in tables if await _rewritten(connection, table, removed_before)}
                if done:
                    await _drop_log(connection)
            finally:
                await connection.close(timeout=_CONNECT_S)
        self._rest(needed=not done.issuperset(tables))
        return [kind for kind in fit if done.issuperset(_TABLES[kind])]

    def _rest(self, *, needed: bool) -> None:
        self._rests_until_s = asyncio.get_running_loop().time() + self._rest_s if needed else 0.0
        self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S) if needed else _FIRST_REST_S

    async def _connect(self) -> "asyncpg.Connection[Any]":
        return await connect_primary(self._address, timeout=_CONNECT_S, server_settings=_SETTINGS)


async def _all_over(connection: "asyncpg.Connection[Any]") -> str:
    """Return the number of the next transaction, once those before it are over, or have not been for a second."""
    following = str(await connection.fetchval(_NEXT_TRANSACTION))
    for _ in range(_TURNS):
        if await connection.fetchval(_IS_OVER, following):
            break
        await asyncio.sleep(_WAIT_S)
    return following


async def _rewritten(connection: "asyncpg.Connection[Any]", table: str, removed_before: str) -> bool:
    """Rewrite the table; return whether nothing is in it any more that was removed before that transaction."""
    try:
        await connection.execute(f"VACUUM (FULL) {table}")
    except (asyncpg.InsufficientPrivilegeError, asyncpg.LockNotAvailableError):
        return False
    return bool(await connection.fetchval(_IS_GONE, removed_before, table))


async def _drop_log(connection: "asyncpg.Connection[Any]") -> None:
    """Let the old segments of the log go; an operator's own PostgreSQL does so in its own time."""
    try:
        if await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
            await connection.execute(_SAMPLES)
            await connection.execute("VACUUM (FULL) pg_statistic")
        await connection.execute("SELECT pg_switch_wal()")
        await connection.execute("CHECKPOINT")
    except asyncpg.InsufficientPrivilegeError:
        return
