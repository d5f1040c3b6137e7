"""
Schema migrations: Piccolo's, in one transaction under one lock, so that a crash leaves all or nothing.

A migration is a module with ``ID``, ``DESCRIPTION``, ``STATEMENTS``; ``ROWS`` (what it does to rows that are stored, by
table), where it does something; and ``DOWNGRADE`` (what it means for going back to a version without it).
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import asyncpg
from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager
from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppConfig, MigrationModule

from governlayer_server.adapters.postgres.database import Database, failures_named
from governlayer_server.adapters.postgres.piccolo_app import APP_CONFIG, APP_NAME
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.times import time_text

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_LOCK = 0x474C4D4947  # "GLMIG"
_HOLDER = """
SELECT pid, client_addr::text AS address, (extract(epoch FROM xact_start) * 1000000)::bigint AS begun_us
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pg_locks.database = (
    SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32 | objid::bigint) = $1
"""
Say = Callable[[str], None]


def migration_modules() -> dict[str, MigrationModule]:
    """Return all migrations of this version by their ids, oldest first."""
    found = _Manager(app_name=APP_NAME).get_migration_modules(APP_CONFIG.resolved_migrations_folder_path)
    return dict(sorted(found.items()))


def known_migrations() -> list[str]:
    """Return the ids of all migrations of this version, oldest first."""
    return list(migration_modules())


async def pending_migrations() -> list[str]:
    """
    Return the ids of the migrations that the connected database lacks, oldest first.

    Raises:
        ConfigurationError: the database is newer than this version.
        LedgerUnavailable: the database went away.
    """
    known = known_migrations()
    with failures_named():
        applied = set(await _applied())
    if unknown := applied - set(known):
        raise ConfigurationError(
            f"the database has migrations that this version does not know ({', '.join(sorted(unknown))}): "
            "use the version that made them, or a newer one"
        )
    return [migration for migration in known if migration not in applied]


async def apply_migrations(database: Database, up_to: str | None = None, say: Say = lambda _: None) -> list[str]:
    """
    Bring the schema up to date; return the ids applied. Whoever migrates already is waited for.

    Args:
        database: connected as its owner, without time limits (``connect(…, patient=True)``).
        up_to: the id of the last one to apply; None: all.
        say: is told who is waited for.

    Raises:
        ConfigurationError: the database is newer than this version, or a migration failed. Nothing was changed.
        LedgerUnavailable: the database went away. Nothing was changed.
    """
    async with database.transaction() as connection:
        await _lock(connection, say)
        pending = [one for one in await pending_migrations() if up_to is None or one <= up_to]
        if pending:
            await _run(pending[-1])
    return pending


async def _lock(connection: "PoolConnectionProxy", say: Say) -> None:
    """Hold the lock of who migrates until the transaction ends."""
    if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
        return
    holder = await connection.fetchrow(_HOLDER, _LOCK)
    if holder is not None:
        where = f" from {holder['address']}" if holder["address"] else ""
        since = time_text(holder["begun_us"])
        say(f"waiting: PostgreSQL process {holder['pid']}{where} has been migrating since {since}")
    await connection.execute("SET LOCAL lock_timeout = 0")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    # Tables are not waited for like that: whoever waits for one makes all others wait.
    await connection.execute("SET LOCAL lock_timeout TO DEFAULT")


async def _run(last: str) -> None:
    try:
        with redirect_stdout(io.StringIO()):
            result = await _Manager(app_name=APP_NAME, migration_id=last).run()
    except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
        raise
    except asyncpg.LockNotAvailableError as error:
        raise ConfigurationError(
            "a table that a migration changes is in use; nothing was changed: stop the servers, and migrate again"
        ) from error
    except asyncpg.PostgresError as error:
        raise ConfigurationError(f"a migration failed; nothing was changed: {error}") from error
    if not result.success:
        raise ConfigurationError("a migration failed; nothing was changed")


class _Manager(ForwardsMigrationManager):
    """Piccolo's runner for the one app, found without the process-wide registry."""

    def get_app_config(self, app_name: str) -> AppConfig:  # noqa: ARG002  # there is one app
        return APP_CONFIG


async def _applied() -> list[str]:
    if not await Migration.table_exists().run():
        return []
    return await Migration.get_migrations_which_ran(app_name=APP_NAME)
