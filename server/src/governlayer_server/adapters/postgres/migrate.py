"""Schema migrations: Piccolo's, in one transaction under one lock, so that a crash leaves all or nothing."""

import io
from contextlib import redirect_stdout

import asyncpg
from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager
from piccolo.apps.migrations.tables import Migration
from piccolo.conf.apps import AppConfig

from governlayer_server.adapters.postgres.database import Database, failures_named
from governlayer_server.adapters.postgres.piccolo_app import APP_CONFIG, APP_NAME
from governlayer_server.domain.errors import ConfigurationError

_LOCK = 0x474C4D4947  # "GLMIG"


async def pending_migrations() -> list[str]:
    """Return the ids of the migrations that the connected database lacks, oldest first."""
    with failures_named():
        manager = _Manager(app_name=APP_NAME)
        known = manager.get_migration_ids(manager.get_migration_modules(APP_CONFIG.resolved_migrations_folder_path))
        applied = set(await _applied())
    if unknown := applied - set(known):
        raise ConfigurationError(
            f"the database has migrations that this version does not know ({', '.join(sorted(unknown))}): "
            "use the version that made them, or a newer one"
        )
    return [migration for migration in known if migration not in applied]


async def apply_migrations(database: Database) -> list[str]:
    """
    Bring the schema up to date; return the ids applied. The database's owner must be connected.

    Raises:
        ConfigurationError: the database is newer than this version, or a migration failed. Nothing was changed.
        LedgerUnavailable: the database went away. Nothing was changed.
    """
    async with database.transaction():
        await Migration.raw("SELECT pg_advisory_xact_lock({})", _LOCK)
        pending = await pending_migrations()
        if pending:
            await _run()
    return pending


async def _run() -> None:
    try:
        with redirect_stdout(io.StringIO()):
            result = await _Manager(app_name=APP_NAME).run()
    except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
        raise
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
