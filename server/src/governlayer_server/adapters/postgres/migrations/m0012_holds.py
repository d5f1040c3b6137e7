"""Legal holds; retention by data class, and the reason for one under the floor."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of, row_security

ID = "2026-11-26T12:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "legal holds, retention by data class"
DOWNGRADE = (
    "Versions without it know of no legal hold: an erasure destroys what one covers. They destroy nothing by retention."
)

_TABLES = (
    "ALTER TABLE organization ADD COLUMN retention text NOT NULL DEFAULT '{}', ADD COLUMN retention_reason text",
    """
    CREATE TABLE legal_hold (
        id              uuid PRIMARY KEY,
        ledger_id       text NOT NULL REFERENCES ledger (id),
        kind            text NOT NULL CHECK (kind IN ('subject', 'range', 'organization')),
        subject_id      uuid,
        first_seq       bigint,
        last_seq        bigint,
        sealed          bytea NOT NULL,
        actor_kind      text NOT NULL,
        actor_id        text NOT NULL,
        created_us      bigint NOT NULL,
        released_us     bigint,
        released_kind   text,
        released_id     text,
        release_sealed  bytea,
        CHECK ((kind = 'subject') = (subject_id IS NOT NULL)),
        CHECK ((kind = 'range') = (first_seq IS NOT NULL)),
        CHECK (last_seq IS NULL OR first_seq IS NOT NULL AND last_seq >= first_seq),
        CHECK ((released_us IS NULL) = (released_kind IS NULL))
    )
    """,
    "CREATE INDEX legal_hold_by_ledger ON legal_hold (ledger_id, id)",
    "CREATE INDEX legal_hold_in_force ON legal_hold (ledger_id) WHERE released_us IS NULL",
    # ANALYZE keeps samples, and a sample outlives its row.
    "ALTER TABLE legal_hold ALTER COLUMN sealed SET STATISTICS 0, ALTER COLUMN release_sealed SET STATISTICS 0",
)
TENANT_TABLES = {"legal_hold": "ledger_id = tenant()"}

_GRANTS = (
    "GRANT SELECT, INSERT ON legal_hold TO governlayer_app",
    "GRANT UPDATE (sealed, released_us, released_kind, released_id, release_sealed) ON legal_hold TO governlayer_app",
    "GRANT UPDATE (retention, retention_reason) ON organization TO governlayer_app",
)

STATEMENTS = (*_TABLES, *row_security(TENANT_TABLES), *_GRANTS)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
