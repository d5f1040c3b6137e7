"""Erasures: tombstones, the rights to remove what an erased organization leaves, and no samples of secrets."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of, row_security

ID = "2026-11-26T11:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "erasures"
ROWS = {"idempotent_answer": "an index is built over the records of kept answers"}
DOWNGRADE = (
    "Versions without it know of no erasure: they finish none that was begun, and write for organizations that "
    "were erased."
)

_TABLES = (
    "ALTER TABLE organization ADD COLUMN erased_us bigint",
    # The place of a tombstone's ranges is looked up while payloads that are unreadable already wait for their removal.
    """
    CREATE TABLE tombstone (
        id             uuid PRIMARY KEY,
        ledger_id      text NOT NULL REFERENCES ledger (id),
        kind           text NOT NULL CHECK (kind IN ('subject', 'decision', 'organization')),
        subject_index  bytea,
        decision_id    uuid,
        facts          bytea NOT NULL,
        certificate    text NOT NULL,
        places         int8multirange NOT NULL,
        finished_us    bigint,
        vacuumed_us    bigint
    )
    """,
    "CREATE INDEX tombstone_by_ledger ON tombstone (ledger_id, id)",
    "CREATE INDEX tombstone_unfinished ON tombstone (ledger_id) WHERE finished_us IS NULL",
    "CREATE INDEX tombstone_open ON tombstone (ledger_id) WHERE vacuumed_us IS NULL",
    "CREATE INDEX idempotent_answer_by_record ON idempotent_answer (ledger_id, record_id)",
)
TENANT_TABLES = {"tombstone": "ledger_id = tenant()"}

_OPEN = (
    """
    CREATE FUNCTION ledgers_with_open_erasures() RETURNS SETOF text
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
        AS $$ SELECT DISTINCT ledger_id FROM public.tombstone WHERE vacuumed_us IS NULL $$
    """,
    # That an organization was erased is true where a tombstone says so, whatever the runtime role would write.
    """
    CREATE FUNCTION note_erased(given text, now_us bigint) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
        AS $$
            UPDATE public.organization
            SET name = 'erased', erased_us = coalesce(erased_us, now_us), closed_us = coalesce(closed_us, now_us)
            WHERE id = (SELECT l.organization_id FROM public.ledger l JOIN public.tombstone t ON t.ledger_id = l.id
                        WHERE l.id = given AND t.kind = 'organization' LIMIT 1)
        $$
    """,
    # The runtime role removes no API key and no event of one, but for an organization that was erased.
    """
    CREATE FUNCTION remove_keys_of_erased(given uuid, most int) RETURNS int
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
        AS $$
        DECLARE
            removed int;
        BEGIN
            IF NOT EXISTS (SELECT FROM public.organization WHERE id = given AND erased_us IS NOT NULL) THEN
                RETURN 0;
            END IF;
            DELETE FROM public.api_key_event WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM public.api_key_event WHERE organization_id = given LIMIT most));
            GET DIAGNOSTICS removed = ROW_COUNT;
            IF removed = 0 THEN
                DELETE FROM public.api_key WHERE ctid = ANY (ARRAY(
                    SELECT ctid FROM public.api_key WHERE organization_id = given LIMIT most));
                GET DIAGNOSTICS removed = ROW_COUNT;
            END IF;
            RETURN removed;
        END $$
    """,
    "REVOKE ALL ON FUNCTION ledgers_with_open_erasures, note_erased, remove_keys_of_erased FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ledgers_with_open_erasures, note_erased, remove_keys_of_erased TO governlayer_app",
)
FUNCTIONS = ("ledgers_with_open_erasures", "note_erased", "remove_keys_of_erased")

_GRANTS = (
    "GRANT SELECT, INSERT, UPDATE (finished_us, vacuumed_us) ON tombstone TO governlayer_app",
    """
    DO $$ BEGIN
        IF current_setting('server_version_num')::int >= 170000 THEN
            GRANT MAINTAIN ON ledger_payload, idempotent_answer, ledger_subject, organization, app_user, session,
                one_time_token, familiar_address, api_key, api_key_event, usage_count TO governlayer_app;
        END IF;
    END $$
    """,
)

# ANALYZE keeps samples of what columns hold, and a sample outlives its row: of these it takes none.
UNSAMPLED = {
    "subject_key": ("subject_index", "wrapped"),
    "data_key": ("wrapped",),
    "ledger_payload": ("sealed",),
    "idempotent_answer": ("key", "body", "sealed"),
    "tombstone": ("subject_index", "facts", "certificate"),
    "app_user": ("email_sealed", "email_index", "password_hash", "totp_sealed", "totp_pending", "recovery", "seal"),
    "api_key": ("name", "fingerprint", "previous_fingerprint", "seal"),
    "familiar_address": ("address",),
    "one_time_token": ("fingerprint", "seal"),
    "session": ("seal",),
    "organization": ("name",),
}
_UNSAMPLED = tuple(
    f"ALTER TABLE {table} " + ", ".join(f"ALTER COLUMN {column} SET STATISTICS 0" for column in columns)
    for table, columns in UNSAMPLED.items()
)

STATEMENTS = (*_TABLES, *row_security(TENANT_TABLES), *_OPEN, *_GRANTS, *_UNSAMPLED)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
