"""Rotation: secrets that every replica shares, cursors, and what keeps a retired key from being used by who lags."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of

ID = "2026-11-26T10:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "rotation of keys and secrets, password hashes encrypted"
ROWS = {"app_user": "every row is written anew: password hashes become bytes, which the next start encrypts"}

DOWNGRADE = (
    "Versions without it know no password: hashes are encrypted. After a rotation of the pepper or of the JWT secret "
    "they know no API key, session or one-time link made since. They do not open the signing keys, and do not start."
)

_TABLES = (
    # Of a purpose there is one in service, at most one that comes next, and at most one that came before. A secret that
    # is retired is gone: its row is removed.
    """
    CREATE TABLE secret (
        purpose        text NOT NULL CHECK (purpose IN ('pepper', 'jwt')),
        number         bigint NOT NULL CHECK (number > 0),
        wrapped        bytea NOT NULL,
        state          text NOT NULL CHECK (state IN ('next', 'active', 'previous')),
        moved_us       bigint NOT NULL,
        PRIMARY KEY (purpose, number),
        UNIQUE (purpose, state)
    )
    """,
    # One row for each rotation that has begun and not ended.
    """
    CREATE TABLE rotation (
        kind           text NOT NULL CHECK (kind IN ('master', 'data', 'pepper', 'jwt')),
        owner          text NOT NULL,
        position       text NOT NULL DEFAULT '',
        begun_us       bigint NOT NULL,
        PRIMARY KEY (kind, owner)
    )
    """,
    # Hashes that stand there as they are begin with '$'; the next start encrypts them.
    "ALTER TABLE app_user ALTER COLUMN password_hash TYPE bytea USING convert_to(password_hash, 'UTF8')",
)

# While the pepper changes, a credential has two fingerprints. All are asked for at once: an account that is found by
# the first takes as long as one that there is not.
_LOOK_UPS = (
    "DROP FUNCTION organization_of_key(bytea), organization_of_user(bytea)",
    """
    CREATE FUNCTION organization_of_key(given bytea[]) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT organization_id FROM public.api_key
              WHERE fingerprint = ANY (given) OR previous_fingerprint = ANY (given) $$
    """,
    """
    CREATE FUNCTION organization_of_user(given bytea[]) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT organization_id FROM public.app_user WHERE email_index = ANY (given) $$
    """,
)

# All keys that are not under the key-encryption key that *given* begins with, of all tenants, also of organizations
# whose founding failed. What is wrapped is of no use without that key.
_WRAPPED = """
    CREATE FUNCTION wrapped_otherwise(given bytea, most int)
        RETURNS TABLE (kind text, owner text, name text, wrapped bytea)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
        SELECT * FROM (
            SELECT 'secret', '', purpose || '/' || number, wrapped FROM public.secret
            UNION ALL SELECT 'deployment', '', '', wrapped_seed FROM public.deployment
            UNION ALL SELECT 'ledger_key', '', key_id, wrapped_seed FROM public.ledger_key
            UNION ALL SELECT 'data_key', owner, number::text, wrapped FROM public.data_key
            UNION ALL SELECT 'subject_key', ledger_id, id::text, wrapped FROM public.subject_key
        ) AS every (kind, owner, name, wrapped)
        WHERE substr(every.wrapped, 1, length(given)) <> given LIMIT most
        $$
"""
_BARE_HASHES = """
    CREATE FUNCTION organizations_with_bare_hashes() RETURNS SETOF uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT DISTINCT organization_id FROM public.app_user WHERE substr(password_hash, 1, 1) = '\\x24' $$
"""

# A process that lags behind must not wrap with a key that is retired: once its file is gone, nothing would open that.
_REFUSE_RETIRED = """
    CREATE FUNCTION refuse_retired_key() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        given bytea := CASE TG_TABLE_NAME WHEN 'ledger_key' THEN to_jsonb(NEW) ->> 'wrapped_seed'
                                          ELSE to_jsonb(NEW) ->> 'wrapped' END;
    BEGIN
        IF EXISTS (
            SELECT FROM key_encryption_key
            WHERE state = 'retired' AND given >= '\\x02' AND given < '\\x03' AND key_id = encode(substr(given, 2, 8), 'hex')
        ) THEN
            RAISE EXCEPTION 'the key-encryption key is retired' USING ERRCODE = 'foreign_key_violation',
                CONSTRAINT = 'key_encryption_key_is_in_service';
        END IF;
        RETURN NEW;
    END $$
"""
_WRAPPING_TABLES = ("secret", "ledger_key", "data_key", "subject_key")

# Nor may it encrypt with a data key that was destroyed. One that is being retired is held until the transaction ends:
# who destroys it waits, and then sees what was written. Only the runtime role is held to it: a restore is not.
_DATA_KEY_NUMBER = """
    CREATE FUNCTION data_key_number(sealed bytea) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
        CASE WHEN length(sealed) < 6 THEN NULL
             WHEN get_byte(sealed, 0) = 1 THEN 1
             WHEN get_byte(sealed, 0) = 2 THEN ('x' || encode(substr(sealed, 2, 4), 'hex'))::bit(32)::bigint END
"""
_REQUIRE_DATA_KEYS = """
    CREATE FUNCTION require_data_keys() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        others bigint[];
    BEGIN
        SELECT array_agg(DISTINCT data_key_number(sealed)) INTO others FROM fresh
            WHERE data_key_number(sealed) IS NOT NULL AND NOT EXISTS (
                SELECT FROM data_key
                WHERE owner = ledger_id AND number = data_key_number(sealed) AND state = 'active');
        IF others IS NOT NULL THEN
            PERFORM require_data_key((SELECT min(ledger_id) FROM fresh), number) FROM unnest(others) AS number;
        END IF;
        RETURN NULL;
    END $$
"""
_REQUIRE_DATA_KEY = """
    CREATE FUNCTION require_data_key(tenant_name text, wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM FROM data_key WHERE owner = tenant_name AND number = wanted FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the data key is gone' USING ERRCODE = 'foreign_key_violation',
                CONSTRAINT = 'data_key_is_there';
        END IF;
    END $$
"""
_REQUIRE_USERS_DATA_KEYS = """
    CREATE FUNCTION require_users_data_keys() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM require_data_key(NEW.organization_id::text, number) FROM (
            SELECT DISTINCT data_key_number(sealed)
            FROM unnest(ARRAY[NEW.email_sealed, NEW.totp_sealed, NEW.totp_pending, NEW.password_hash]) AS sealed
        ) AS used (number) WHERE number IS NOT NULL;
        RETURN NULL;
    END $$
"""

# How many still need the pepper whose fingerprints begin with *mark* (nothing: the first one's). Refresh tokens are not
# stored: a session needs it until it was refreshed after the other one came into service. An answer without content
# keeps a record of the deployment from being made twice; its key is a plain hash.
_PEPPER_USES = """
    CREATE FUNCTION is_marked(given bytea, mark bytea) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN length(given) = 32 + length(mark) AND substr(given, 1, length(mark)) = mark
"""
_COUNT_PEPPER_USES = """
    CREATE FUNCTION pepper_uses(mark bytea, now_us bigint, refreshed_us bigint, idle_us bigint)
        RETURNS TABLE (what text, uses bigint)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$
        SELECT 'API keys', count(*) FROM public.api_key
            WHERE public.is_marked(fingerprint, mark) OR public.is_marked(previous_fingerprint, mark)
        UNION ALL SELECT 'one-time links', count(*) FROM public.one_time_token
            WHERE public.is_marked(fingerprint, mark) AND used_us IS NULL AND expires_us > now_us
        UNION ALL SELECT 'users with recovery codes', count(*) FROM public.app_user
            WHERE EXISTS (SELECT FROM unnest(recovery) AS code WHERE public.is_marked(code, mark))
        UNION ALL SELECT 'sessions', count(*) FROM public.session
            WHERE ended_us IS NULL AND seen_us < refreshed_us AND seen_us > now_us - idle_us
        UNION ALL SELECT 'idempotency keys', count(*) FROM public.idempotent_answer
            WHERE public.is_marked(key, mark) AND expires_us > now_us AND length(sealed) > 0
        UNION ALL SELECT 'e-mail indexes', count(*) FROM public.app_user WHERE public.is_marked(email_index, mark)
        UNION ALL SELECT 'seals', (SELECT count(*) FROM public.app_user WHERE public.is_marked(seal, mark))
            + (SELECT count(*) FROM public.session WHERE public.is_marked(seal, mark))
            + (SELECT count(*) FROM public.one_time_token WHERE public.is_marked(seal, mark) AND used_us IS NULL AND expires_us > now_us)
            + (SELECT count(*) FROM public.api_key WHERE public.is_marked(seal, mark))
        $$
"""

_TRIGGERS = (
    *(
        f"CREATE TRIGGER {table}_is_under_a_key_in_service BEFORE INSERT OR UPDATE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_retired_key()"
        for table in _WRAPPING_TABLES
    ),
    *(
        f"CREATE TRIGGER {table}_opens_{act.lower()} AFTER {act} ON {table} "
        f"REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT WHEN (row_security_active('{table}')) "
        "EXECUTE FUNCTION require_data_keys()"
        for table in ("ledger_payload", "idempotent_answer")
        for act in ("INSERT", "UPDATE")
    ),
    "CREATE TRIGGER app_user_opens AFTER INSERT OR UPDATE ON app_user "
    "FOR EACH ROW WHEN (row_security_active('app_user')) EXECUTE FUNCTION require_users_data_keys()",
)

_FUNCTIONS = (
    "organization_of_key, organization_of_user, wrapped_otherwise, organizations_with_bare_hashes, data_key_number, "
    "require_data_key, is_marked, pepper_uses"
)
_GRANTS = (
    f"REVOKE ALL ON FUNCTION {_FUNCTIONS} FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION {_FUNCTIONS} TO governlayer_app",
    "GRANT SELECT, INSERT, UPDATE (wrapped, state, moved_us), DELETE ON secret TO governlayer_app",
    "GRANT SELECT, INSERT, UPDATE (position), DELETE ON rotation TO governlayer_app",
    "GRANT UPDATE (wrapped_seed) ON deployment, ledger_key TO governlayer_app",
    "GRANT UPDATE (sealed) ON ledger_payload TO governlayer_app",
    "GRANT UPDATE (email_sealed, email_index) ON app_user TO governlayer_app",
    "GRANT UPDATE (seal) ON one_time_token TO governlayer_app",
)

STATEMENTS = (
    *_TABLES,
    *_LOOK_UPS,
    _WRAPPED,
    _BARE_HASHES,
    _REFUSE_RETIRED,
    _DATA_KEY_NUMBER,
    _REQUIRE_DATA_KEY,
    _REQUIRE_DATA_KEYS,
    _REQUIRE_USERS_DATA_KEYS,
    _PEPPER_USES,
    _COUNT_PEPPER_USES,
    *_TRIGGERS,
    *_GRANTS,
)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
