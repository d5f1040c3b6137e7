"""Ledgers that are closed to writing, and restores that their operator owned up to."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.tables import Migration

ID = "2026-11-26T08:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "refused ledgers"

TENANT_TABLES = {"ledger_refusal": "ledger_id = tenant()", "ledger_restore": "ledger_id = tenant()"}
"""Its tables of tenants, and what binds their rows to the transaction's tenant."""

# Neither refers to the ledger: that its row is gone is one of the reasons to close it.
_TABLES = (
    """
    CREATE TABLE ledger_refusal (
        ledger_id      text NOT NULL,
        found_us       bigint NOT NULL,
        evidence       text NOT NULL,
        lifted_us      bigint,
        PRIMARY KEY (ledger_id, found_us)
    )
    """,
    """
    CREATE TABLE ledger_restore (
        ledger_id      text NOT NULL,
        kept           bigint NOT NULL,
        lost           bigint NOT NULL,
        restored_us    bigint NOT NULL,
        PRIMARY KEY (ledger_id, kept)
    )
    """,
)

# Every replica asks which ledgers are closed, whoever's they are; it learns their ids and nothing else.
_CLOSED = (
    """
    CREATE FUNCTION closed_ledgers() RETURNS SETOF text
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT DISTINCT ledger_id FROM public.ledger_refusal WHERE lifted_us IS NULL $$
    """,
    "REVOKE ALL ON FUNCTION closed_ledgers FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION closed_ledgers TO governlayer_app",
)

_GRANTS = (
    "GRANT SELECT, INSERT ON ledger_refusal, ledger_restore TO governlayer_app",
    "GRANT UPDATE (lifted_us) ON ledger_refusal TO governlayer_app",
)


def _row_security() -> tuple[str, ...]:
    return tuple(
        statement
        for table, rule in TENANT_TABLES.items()
        for statement in (
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY {table}_of_tenant ON {table} USING ({rule}) WITH CHECK ({rule})",
        )
    )


STATEMENTS = (*_TABLES, *_row_security(), *_CLOSED, *_GRANTS)


async def _change() -> None:
    for statement in STATEMENTS:
        await Migration.raw(statement)  # any table will do: Piccolo runs raw SQL through one


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    manager = MigrationManager(migration_id=ID, app_name="governlayer", description=DESCRIPTION)
    manager.add_raw(_change)
    return manager
