"""Ledgers that are closed to writing, and restores that their operator owned up to."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of, row_security

ID = "2026-11-26T08:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "refused ledgers"
DOWNGRADE = (
    "Versions without it write ledgers that were closed because they are damaged, and know of no accepted "
    "restore."
)

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


STATEMENTS = (*_TABLES, *row_security(TENANT_TABLES), *_CLOSED, *_GRANTS)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
