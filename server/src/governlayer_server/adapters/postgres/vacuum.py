"""
``ports.erasures.Vacuum`` on PostgreSQL: tables written anew, and the write-ahead log let go of.

A removed row stays in its table's file until its space is used again, and in the log until the log's old segments are
removed. ``VACUUM (FULL)`` writes a table and its indexes to new files; after a switch of segments, a checkpoint lets
the old ones go (where they are not kept to be used again: ``wal_recycle``).
"""

from collections.abc import Collection
from typing import Any

import asyncpg

from governlayer_server.adapters.postgres.database import PostgresAddress, failures_named
from governlayer_server.domain.erasure import ErasureKind

_LOCK = 0x474C564143  # "GLVAC"
_CONNECT_S = 5.0
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

    async def __call__(self, kinds: Collection[ErasureKind], *, at_any_size: bool = False) -> Collection[ErasureKind]:
        """
        Rewrite the tables that erasures of *kinds* left remnants in; return the kinds of which all were.

        What is too large is left as it is, again and again, at no cost. One process does it at a time; another one's
        turn is over at once, and nothing is done.

        Raises:
            LedgerUnavailable: the database is away, or went away meanwhile.
        """
        with failures_named():
            connection = await self._connect()
            try:
                if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                    return ()
                sizes = {table: await connection.fetchval(_SIZE, table) for kind in kinds for table in _TABLES[kind]}
                fit = [kind for kind in kinds if at_any_size or all(sizes[one] <= MAX_BYTES for one in _TABLES[kind])]
                tables = sorted({table for kind in fit for table in _TABLES[kind]})
                done = {table for table in tables if await self._rewritten(connection, table)}
                if done:
                    await _drop_log(connection)
            finally:
                await connection.close(timeout=_CONNECT_S)
        return [kind for kind in fit if done.issuperset(_TABLES[kind])]

    async def _connect(self) -> "asyncpg.Connection[Any]":
        address = self._address
        return await asyncpg.connect(
            host=address.host, port=address.port, database=address.database, user=address.user,
            password=address.password, ssl=address.encryption(), direct_tls=False, timeout=_CONNECT_S,
            server_settings={"application_name": "governlayer vacuum", "lock_timeout": "200"},
        )  # fmt: skip

    async def _rewritten(self, connection: "asyncpg.Connection[Any]", table: str) -> bool:
        try:
            await connection.execute(f"VACUUM (FULL) {table}")
        except (asyncpg.InsufficientPrivilegeError, asyncpg.LockNotAvailableError):
            return False
        return True


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
