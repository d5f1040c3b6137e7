"""Who may do what: users, sessions, one-time tokens, rotating keys, usage; and row level security on every tenant table."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of, row_security

ID = "2026-11-25T23:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "users, sessions, keys, usage, row level security"
ROWS = {"data_key": "the deployment's own key goes by another name"}
DOWNGRADE = (
    "Versions without it know no users with passwords, no roles and no seals; they do not find the deployment's "
    "data key under its new name. Row level security would hide every row from them."
)

_TABLES = (
    # Names tell nobody of other organizations: only the operator's command refuses one that is taken.
    "ALTER TABLE organization DROP CONSTRAINT organization_name_key",
    """
    ALTER TABLE organization
        ADD COLUMN on_error         text NOT NULL DEFAULT 'deny',
        ADD COLUMN default_decision text NOT NULL DEFAULT 'deny',
        ADD COLUMN retention_days   bigint,
        ADD COLUMN store_payloads   text NOT NULL DEFAULT 'encrypted',
        ADD COLUMN registration     text NOT NULL DEFAULT 'invite',
        ADD COLUMN closed_us        bigint
    """,
    """
    ALTER TABLE app_user
        ADD COLUMN disabled_us      bigint,
        ADD COLUMN totp_sealed      bytea,
        ADD COLUMN totp_pending     bytea,
        ADD COLUMN totp_step        bigint NOT NULL DEFAULT 0,
        ADD COLUMN recovery         bytea[] NOT NULL DEFAULT ARRAY[]::bytea[],
        ADD COLUMN seal             bytea NOT NULL DEFAULT ''
    """,
    "CREATE INDEX app_user_by_organization ON app_user (organization_id, created_us)",
    """
    ALTER TABLE api_key
        ADD COLUMN previous_fingerprint bytea UNIQUE,
        ADD COLUMN previous_until_us bigint,
        ADD COLUMN rate_limit       bigint,
        ADD COLUMN allowed_ips      text[] NOT NULL DEFAULT ARRAY[]::text[]
    """,
    """
    CREATE TABLE api_key_event (
        id              uuid PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES organization (id),
        key_id          uuid NOT NULL REFERENCES api_key (id),
        event           text NOT NULL,
        actor_id        text NOT NULL,
        actor_kind      text NOT NULL,
        time_us         bigint NOT NULL
    )
    """,
    "CREATE INDEX api_key_event_by_key ON api_key_event (key_id, id)",
    """
    CREATE TABLE session (
        id              uuid PRIMARY KEY,
        organization_id uuid NOT NULL REFERENCES organization (id),
        user_id         uuid NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
        created_us      bigint NOT NULL,
        seen_us         bigint NOT NULL,
        authenticated_us bigint NOT NULL,
        generation      bigint NOT NULL,
        ended_us        bigint,
        seal            bytea NOT NULL
    )
    """,
    "CREATE INDEX session_by_user ON session (user_id, created_us)",
    """
    CREATE TABLE one_time_token (
        fingerprint     bytea PRIMARY KEY,
        tenant          text NOT NULL,
        purpose         text NOT NULL,
        user_id         uuid REFERENCES app_user (id) ON DELETE CASCADE,
        created_us      bigint NOT NULL,
        expires_us      bigint NOT NULL,
        used_us         bigint,
        seal            bytea NOT NULL
    )
    """,
    """
    CREATE TABLE familiar_address (
        organization_id uuid NOT NULL REFERENCES organization (id),
        user_id         uuid NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
        address         bytea NOT NULL,
        seen_us         bigint NOT NULL,
        PRIMARY KEY (user_id, address)
    )
    """,
    """
    CREATE TABLE usage_count (
        organization_id uuid NOT NULL REFERENCES organization (id),
        principal_id    text NOT NULL,
        day             bigint NOT NULL,
        outcome         text NOT NULL,
        requests        bigint NOT NULL,
        last_us         bigint NOT NULL,
        PRIMARY KEY (organization_id, principal_id, day, outcome)
    )
    """,
)

# What a transaction may see is set by its first statement (adapters/postgres/database.py), for that transaction alone.
# Nothing set: nothing seen. The owner of the tables, who migrates, is not bound by it; the runtime role is.
_TENANT = """
    CREATE FUNCTION tenant() RETURNS text LANGUAGE sql STABLE
        RETURN nullif(current_setting('governlayer.tenant', true), '')
"""
_TENANT_ORGANIZATION = """
    CREATE FUNCTION tenant_organization() RETURNS uuid LANGUAGE sql STABLE
        RETURN CASE WHEN length(current_setting('governlayer.tenant', true)) = 36
                    THEN current_setting('governlayer.tenant', true)::uuid END
"""
_BY_ID = "{} = tenant_organization()"
_BY_NAME = "{} = tenant()"
TENANT_TABLES = {
    "organization": _BY_ID.format("id"),
    "app_user": _BY_ID.format("organization_id"),
    "api_key": _BY_ID.format("organization_id"),
    "api_key_event": _BY_ID.format("organization_id"),
    "session": _BY_ID.format("organization_id"),
    "familiar_address": _BY_ID.format("organization_id"),
    "usage_count": _BY_ID.format("organization_id"),
    "one_time_token": _BY_NAME.format("tenant"),
    "data_key": _BY_NAME.format("owner"),
    "ledger": _BY_NAME.format("id"),
    "ledger_record": _BY_NAME.format("ledger_id"),
    "ledger_payload": _BY_NAME.format("ledger_id"),
    "idempotent_answer": _BY_NAME.format("ledger_id"),
}
"""Every table of tenants, and what binds its rows to the transaction's tenant."""

# Three questions are asked before the organization is known, or for all of them. Each is a function of the tables'
# owner that answers no more than that; the first two need a keyed fingerprint that only the appliance can make.
_BEFORE_THE_TENANT = (
    """
    CREATE FUNCTION organization_of_key(given bytea) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT organization_id FROM public.api_key WHERE fingerprint = given OR previous_fingerprint = given $$
    """,
    """
    CREATE FUNCTION organization_of_user(given bytea) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT organization_id FROM public.app_user WHERE email_index = given $$
    """,
    """
    CREATE FUNCTION all_organizations() RETURNS SETOF organization
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT * FROM public.organization ORDER BY created_us, id $$
    """,
)

_GRANTS = (
    "REVOKE ALL ON FUNCTION organization_of_key, organization_of_user, all_organizations FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION organization_of_key, organization_of_user, all_organizations TO governlayer_app",
    "GRANT SELECT, INSERT ON api_key_event, session, one_time_token, familiar_address, usage_count TO governlayer_app",
    """
    GRANT UPDATE (name, plan, on_error, default_decision, retention_days, store_payloads, registration, closed_us)
        ON organization TO governlayer_app
    """,
    """
    GRANT UPDATE (role, password_hash, disabled_us, totp_sealed, totp_pending, totp_step, recovery, seal), DELETE
        ON app_user TO governlayer_app
    """,
    """
    GRANT UPDATE (name, prefix, fingerprint, previous_fingerprint, previous_until_us, expires_us, revoked_us,
        rate_limit, allowed_ips, seal) ON api_key TO governlayer_app
    """,
    "GRANT UPDATE (seen_us, authenticated_us, generation, ended_us, seal), DELETE ON session TO governlayer_app",
    "GRANT UPDATE (used_us), DELETE ON one_time_token TO governlayer_app",
    "GRANT UPDATE (seen_us), DELETE ON familiar_address TO governlayer_app",
    "GRANT UPDATE (requests, last_us), DELETE ON usage_count TO governlayer_app",
)

# The deployment's own data key goes by the name that the deployment's tenant has everywhere.
_DATA_KEY = "UPDATE data_key SET owner = 'system' WHERE owner = 'deployment'"


# Their seals are of another kind, or missing: no one could sign in, and to seal them now would trust what is there.
_REFUSE_UNSEALED = """
    DO $$ BEGIN
        IF EXISTS (SELECT FROM app_user) OR EXISTS (SELECT FROM api_key) THEN
            RAISE EXCEPTION 'this database was made by a development version before users and keys were sealed: '
                'export its ledgers and found a new one';
        END IF;
    END $$
"""

STATEMENTS = (
    _REFUSE_UNSEALED,
    *_TABLES,
    _DATA_KEY,
    _TENANT,
    _TENANT_ORGANIZATION,
    *row_security(TENANT_TABLES),
    *_BEFORE_THE_TENANT,
    *_GRANTS,
)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
