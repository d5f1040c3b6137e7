"""What others said of published checkpoints: cosignatures of witnesses, time stamps."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import append_only, migration_of, row_security

ID = "2026-11-26T07:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "cosignatures and time stamps of published checkpoints"
DOWNGRADE = (
    "Versions without it ask no witness and no time stamping authority; what these have said already stays "
    "stored and is not exported."
)

TENANT_TABLES = {
    "ledger_cosignature": "ledger_id = tenant()",
    "ledger_timestamp": "ledger_id = tenant()",
}
"""The tables of tenants that this migration adds, and what binds their rows to the transaction's tenant."""

_TABLES = (
    # A witness is its name and the id of its key: with a new key it is another one.
    """
    CREATE TABLE ledger_cosignature (
        ledger_id      text NOT NULL,
        size           bigint NOT NULL,
        witness        text NOT NULL,
        line           text NOT NULL,
        time_us        bigint NOT NULL,
        PRIMARY KEY (ledger_id, size, witness),
        FOREIGN KEY (ledger_id, size) REFERENCES ledger_checkpoint (ledger_id, size)
    )
    """,
    "CREATE INDEX ledger_cosignature_by_witness ON ledger_cosignature (witness, time_us)",
    """
    CREATE TABLE ledger_timestamp (
        ledger_id      text NOT NULL,
        size           bigint NOT NULL,
        token          bytea NOT NULL,
        time_us        bigint NOT NULL,
        PRIMARY KEY (ledger_id, size),
        FOREIGN KEY (ledger_id, size) REFERENCES ledger_checkpoint (ledger_id, size)
    )
    """,
    "CREATE INDEX ledger_timestamp_by_time ON ledger_timestamp (time_us)",
)

# Asked for all tenants at once; each tells names of ledgers, sizes or times, and nothing that stands in a ledger.
_FUNCTIONS = (
    """
    CREATE FUNCTION ledgers_to_cosign(by text, but text[], most bigint) RETURNS SETOF text
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
            SELECT id FROM public.ledger, LATERAL (
                SELECT size AS newest, published_us FROM public.ledger_checkpoint
                WHERE ledger_id = id ORDER BY size DESC LIMIT 1) published
            WHERE id <> ALL (but) AND NOT EXISTS (
                SELECT FROM public.ledger_cosignature WHERE ledger_id = id AND size = newest AND witness = by)
            ORDER BY published_us LIMIT most
        $$
    """,
    """
    CREATE FUNCTION ledgers_to_stamp(before_us bigint, but text[], most bigint) RETURNS SETOF text
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
            SELECT id FROM public.ledger, LATERAL (
                SELECT size AS newest, published_us FROM public.ledger_checkpoint
                WHERE ledger_id = id ORDER BY size DESC LIMIT 1) published
            WHERE id <> ALL (but) AND NOT EXISTS (
                SELECT FROM public.ledger_timestamp WHERE ledger_id = id AND (size = newest OR time_us > before_us))
            ORDER BY published_us LIMIT most
        $$
    """,
    """
    CREATE FUNCTION published_sizes() RETURNS TABLE (ledger_id text, size bigint)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
            SELECT id, newest FROM public.ledger, LATERAL (
                SELECT size AS newest FROM public.ledger_checkpoint
                WHERE ledger_id = id ORDER BY size DESC LIMIT 1) published
        $$
    """,
    """
    CREATE FUNCTION cosigned_last(by text) RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT max(time_us) FROM public.ledger_cosignature WHERE witness = by $$
    """,
    """
    CREATE FUNCTION stamped_last() RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT max(time_us) FROM public.ledger_timestamp $$
    """,
)
FUNCTIONS = ("ledgers_to_cosign", "ledgers_to_stamp", "published_sizes", "cosigned_last", "stamped_last")

_GRANTS = (
    f"REVOKE ALL ON FUNCTION {', '.join(FUNCTIONS)} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {', '.join(FUNCTIONS)} TO governlayer_app",
    "GRANT SELECT, INSERT ON ledger_cosignature, ledger_timestamp TO governlayer_app",
)

STATEMENTS = (*_TABLES, *append_only(TENANT_TABLES), *row_security(TENANT_TABLES), *_FUNCTIONS, *_GRANTS)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
