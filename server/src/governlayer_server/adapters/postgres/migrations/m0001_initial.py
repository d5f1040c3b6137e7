"""The first schema: identity, ledgers, policy sets."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of

ID = "2026-11-23T22:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "identity, ledgers, policy sets"
DOWNGRADE = "The first schema: nothing comes before it."

STATEMENTS = (
    """
    CREATE TABLE deployment (
        singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        install_id     text NOT NULL,
        name           text NOT NULL,
        wrapped_seed   bytea NOT NULL,
        public_key     bytea NOT NULL,
        created_us     bigint NOT NULL
    )
    """,
    """
    CREATE TABLE data_key (
        owner          text PRIMARY KEY,
        wrapped        bytea NOT NULL
    )
    """,
    """
    CREATE TABLE organization (
        id             uuid PRIMARY KEY,
        name           text NOT NULL UNIQUE,
        plan           text NOT NULL,
        created_us     bigint NOT NULL
    )
    """,
    """
    CREATE TABLE app_user (
        id             uuid PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES organization (id),
        role           text NOT NULL,
        email_sealed   bytea NOT NULL,
        email_index    bytea NOT NULL UNIQUE,
        password_hash  text,
        created_us     bigint NOT NULL
    )
    """,
    """
    CREATE TABLE api_key (
        id             uuid PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES organization (id),
        name           text NOT NULL,
        prefix         text NOT NULL,
        fingerprint    bytea NOT NULL UNIQUE,
        scopes         text[] NOT NULL,
        created_us     bigint NOT NULL,
        expires_us     bigint,
        revoked_us     bigint,
        seal           bytea NOT NULL
    )
    """,
    "CREATE INDEX api_key_by_organization ON api_key (organization_id, created_us)",
    """
    CREATE TABLE policy_set (
        version        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        hash           text NOT NULL UNIQUE,
        text           text NOT NULL,
        created_us     bigint NOT NULL
    )
    """,
    # The head row is updated by every append: space for the new version stays on its page.
    """
    CREATE TABLE ledger (
        id             text PRIMARY KEY,
        organization_id uuid UNIQUE REFERENCES organization (id),
        origin         text NOT NULL UNIQUE,
        size           bigint NOT NULL DEFAULT 0,
        head_hash      bytea NOT NULL,
        head_time_us   bigint NOT NULL DEFAULT 0,
        edge           bytea NOT NULL DEFAULT ''
    ) WITH (fillfactor = 20)
    """,
    """
    CREATE TABLE ledger_record (
        ledger_id      text NOT NULL REFERENCES ledger (id),
        seq            bigint NOT NULL,
        record_id      uuid NOT NULL,
        type           text NOT NULL,
        agent          text,
        decision       text,
        time_us        bigint NOT NULL,
        canonical      bytea NOT NULL,
        hash           bytea NOT NULL,
        prev_hash      bytea NOT NULL,
        PRIMARY KEY (ledger_id, seq),
        UNIQUE (ledger_id, record_id)
    )
    """,
    """
    CREATE TABLE ledger_payload (
        ledger_id      text NOT NULL,
        seq            bigint NOT NULL,
        name           text NOT NULL,
        sealed         bytea NOT NULL,
        PRIMARY KEY (ledger_id, seq, name)
    )
    """,
    """
    CREATE TABLE idempotent_answer (
        ledger_id      text NOT NULL REFERENCES ledger (id),
        key            bytea NOT NULL,
        body           bytea NOT NULL,
        sealed         bytea NOT NULL,
        record_id      uuid NOT NULL,
        size_before    bigint NOT NULL,
        edge_before    bytea NOT NULL,
        expires_us     bigint NOT NULL,
        PRIMARY KEY (ledger_id, key)
    )
    """,
    "CREATE INDEX idempotent_answer_by_expiry ON idempotent_answer (expires_us)",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'ledger rows are append-only' USING ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    """
    CREATE TRIGGER ledger_record_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_record
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER ledger_is_not_removed BEFORE DELETE OR TRUNCATE ON ledger
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE FUNCTION refuse_shrinking() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.id <> OLD.id OR NEW.origin <> OLD.origin OR NEW.size <= OLD.size THEN
            RAISE EXCEPTION 'a ledger only grows' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER ledger_only_grows BEFORE UPDATE ON ledger
        FOR EACH ROW EXECUTE FUNCTION refuse_shrinking()
    """,
    "GRANT SELECT, INSERT ON deployment, data_key, organization, app_user, api_key, policy_set TO governlayer_app",
    "GRANT UPDATE (revoked_us) ON api_key TO governlayer_app",
    "GRANT SELECT, INSERT ON ledger, ledger_record TO governlayer_app",
    "GRANT UPDATE (size, head_hash, head_time_us, edge) ON ledger TO governlayer_app",
    "GRANT SELECT, INSERT, DELETE ON ledger_payload TO governlayer_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_answer TO governlayer_app",
    "GRANT SELECT ON migration TO governlayer_app",
)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
