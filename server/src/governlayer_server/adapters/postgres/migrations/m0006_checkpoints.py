"""Published checkpoints, what contradicted one, and the keys that sign them."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import append_only, migration_of, row_security

ID = "2026-11-26T06:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "published checkpoints, keys of the ledgers"
DOWNGRADE = (
    "Versions without it sign with the first ledger key, retired or not, and publish nothing: what they sign "
    "after a rotation of the key does not verify. Checkpoints that are published already stay binding."
)

TENANT_TABLES = {
    "ledger_checkpoint": "ledger_id = tenant()",
    "ledger_fork": "ledger_id = tenant()",
}
"""The tables of tenants that this migration adds, and what binds their rows to the transaction's tenant."""

_TABLES = (
    # Each checkpoint names the one that it extends, and no two extend the same: whichever replicas publish at once,
    # the published checkpoints of a ledger are one line. 0: the first, which extends none.
    """
    CREATE TABLE ledger_checkpoint (
        ledger_id      text NOT NULL REFERENCES ledger (id),
        size           bigint NOT NULL,
        extends        bigint NOT NULL CHECK (extends >= 0 AND extends < size),
        root           bytea NOT NULL CHECK (length(root) = 32),
        note           text NOT NULL,
        published_us   bigint NOT NULL,
        PRIMARY KEY (ledger_id, size),
        UNIQUE (ledger_id, extends)
    )
    """,
    """
    CREATE TABLE ledger_fork (
        ledger_id      text NOT NULL REFERENCES ledger (id),
        published_size bigint NOT NULL,
        size           bigint NOT NULL,
        root           bytea NOT NULL CHECK (length(root) = 32),
        head_hash      bytea NOT NULL,
        found_us       bigint NOT NULL,
        PRIMARY KEY (ledger_id, published_size)
    )
    """,
    # The seeds are encrypted. Which keys sign follows from the states, and which is older from the numbers: no clock.
    """
    CREATE TABLE ledger_key (
        key_id         text PRIMARY KEY,
        number         bigint GENERATED ALWAYS AS IDENTITY,
        algorithm      text NOT NULL CHECK (algorithm IN ('ed25519', 'ml-dsa-44')),
        vkey           text NOT NULL UNIQUE,
        wrapped_seed   bytea NOT NULL,
        state          text NOT NULL CHECK (state IN ('introducing', 'active', 'retiring', 'retired')),
        introduced_us  bigint NOT NULL,
        retired_us     bigint
    )
    """,
    # At most one key at a time enters service, and one leaves it.
    """
    CREATE UNIQUE INDEX ledger_key_changes_one_at_a_time ON ledger_key (algorithm, state)
        WHERE state IN ('introducing', 'retiring')
    """,
)

# Asked for all tenants at once: names only. A ledger that is smaller than what was published is named too, so that
# whoever publishes finds out.
_TO_PUBLISH = """
    CREATE FUNCTION ledgers_to_publish() RETURNS SETOF text
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
            SELECT id FROM public.ledger WHERE size <> coalesce((
                SELECT size FROM public.ledger_checkpoint WHERE ledger_id = ledger.id ORDER BY size DESC LIMIT 1), 0)
            ORDER BY id
        $$
"""

_GRANTS = (
    "REVOKE ALL ON FUNCTION ledgers_to_publish FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ledgers_to_publish TO governlayer_app",
    "GRANT SELECT, INSERT ON ledger_checkpoint, ledger_fork, ledger_key TO governlayer_app",
    "GRANT UPDATE (state, introduced_us, retired_us) ON ledger_key TO governlayer_app",
)

STATEMENTS = (*_TABLES, *append_only(TENANT_TABLES), *row_security(TENANT_TABLES), _TO_PUBLISH, *_GRANTS)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
