"""What migrations share: plain statements as a migration, and the statements that many tables need."""

from collections.abc import Iterable, Mapping

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.tables import Migration


def migration_of(migration_id: str, description: str, statements: Iterable[str]) -> MigrationManager:
    """
    Return a migration that executes *statements* one after the other.

    Args:
        migration_id: later than those of the migrations before it.
        description: in a few words.
        statements: plain SQL.
    """

    async def change() -> None:
        for statement in statements:
            # Braces would be places for values. Any table will do: Piccolo runs raw SQL through one.
            await Migration.raw(statement.replace("{", "{{").replace("}", "}}"))

    manager = MigrationManager(migration_id=migration_id, app_name="governlayer", description=description)
    manager.add_raw(change)
    return manager


def row_security(rules: Mapping[str, str]) -> tuple[str, ...]:
    """Return the statements that bind the rows of each table to its rule."""
    return tuple(
        statement
        for table, rule in rules.items()
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY {table}_of_tenant ON {table} USING ({rule}) WITH CHECK ({rule})",
        )
    )


def append_only(tables: Iterable[str]) -> tuple[str, ...]:
    """Return the statements that refuse every change of what stands in *tables*, whoever asks for it."""
    return tuple(
        f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        for table in tables
    )
