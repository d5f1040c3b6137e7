"""What ``governlayer migrate`` would do: each missing migration, and how many rows it goes through."""

from collections.abc import Mapping

from msgspec import Struct

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.migrate import migration_modules, pending_migrations

LONG_ROWS = 100_000
"""A table that is locked while more rows than that are gone through is locked for long: seconds, not moments."""


class PlannedRows(Struct, frozen=True):
    """
    What a migration does to rows that are stored.

    Attributes:
        table: which is locked against reading and writing meanwhile.
        rows: how many there are now; a table that an earlier migration of the plan makes has none.
        what: is done with them.
    """

    table: str
    rows: int
    what: str


class PlannedMigration(Struct, frozen=True, kw_only=True):
    """A migration that the database lacks."""

    id: str
    description: str
    rows: tuple[PlannedRows, ...]

    @property
    def locks_long(self) -> bool:
        """Whether a table is locked for longer than a moment."""
        return any(one.rows > LONG_ROWS for one in self.rows)


async def planned_migrations(database: Database) -> list[PlannedMigration]:
    """
    Return what ``apply_migrations`` would do, in its order. Nothing is changed.

    Args:
        database: connected as its owner, without time limits: rows are counted.

    Raises:
        ConfigurationError: the database is newer than this version.
        LedgerUnavailable: the database went away.
    """
    modules = migration_modules()
    return [
        PlannedMigration(
            id=one,
            description=getattr(modules[one], "DESCRIPTION", ""),
            rows=await _counted(database, getattr(modules[one], "ROWS", {})),
        )
        for one in await pending_migrations()
    ]


async def _counted(database: Database, rows: Mapping[str, str]) -> tuple[PlannedRows, ...]:
    async with database.connection() as connection:
        found = []
        for table, what in rows.items():
            is_there = await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", table)
            # The names are those of the migrations, not anybody's input.
            count = await connection.fetchval(f"SELECT count(*) FROM {table}") if is_there else 0  # noqa: S608  # nosec B608
            found.append(PlannedRows(table, count, what))
    return tuple(found)
