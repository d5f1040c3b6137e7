"""Keys that rotate and keys that can be destroyed: of tenants by number, of data subjects one each."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of, row_security

ID = "2026-11-26T09:00:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "key-encryption keys by id, data keys by number, keys of data subjects"
ROWS = {"data_key": "an index is built over owners and numbers of the keys"}
DOWNGRADE = (
    "Versions without it open nothing that was encrypted since: payloads, e-mail addresses and kept answers of "
    "later records look damaged to them, and a later version does not find who was named in what they record."
)

_TABLES = (
    """
    CREATE TABLE key_encryption_key (
        key_id         text PRIMARY KEY,
        number         bigint GENERATED ALWAYS AS IDENTITY,
        check_value    bytea NOT NULL,
        state          text NOT NULL CHECK (state IN ('next', 'active', 'previous', 'retired')),
        created_us     bigint NOT NULL,
        retired_us     bigint
    )
    """,
    "CREATE UNIQUE INDEX key_encryption_key_in_service ON key_encryption_key (state) WHERE state <> 'retired'",
    # What every process looks at once a second: a change of any key, or the destruction of one, counts it up.
    """
    CREATE TABLE key_change (
        singleton      boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        changes        bigint NOT NULL DEFAULT 0
    )
    """,
    "INSERT INTO key_change DEFAULT VALUES",
    """
    ALTER TABLE data_key
        ADD COLUMN number      bigint NOT NULL DEFAULT 1,
        ADD COLUMN state       text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'retiring', 'index')),
        ADD COLUMN created_us  bigint NOT NULL DEFAULT 0,
        DROP CONSTRAINT data_key_pkey,
        ADD PRIMARY KEY (owner, number)
    """,
    "CREATE UNIQUE INDEX data_key_in_service ON data_key (owner, state) WHERE state = 'active'",
    """
    CREATE TABLE subject_key (
        id             uuid PRIMARY KEY,
        ledger_id      text NOT NULL REFERENCES ledger (id),
        subject_index  bytea NOT NULL,
        wrapped        bytea NOT NULL,
        created_us     bigint NOT NULL,
        UNIQUE (ledger_id, subject_index)
    )
    """,
    """
    CREATE TABLE ledger_subject (
        ledger_id      text NOT NULL,
        subject_id     uuid NOT NULL,
        seq            bigint NOT NULL,
        PRIMARY KEY (ledger_id, subject_id, seq)
    )
    """,
    "CREATE INDEX ledger_subject_by_seq ON ledger_subject (ledger_id, seq)",
)
TENANT_TABLES = {
    "subject_key": "ledger_id = tenant()",
    "ledger_subject": "ledger_id = tenant()",
}

# Appends as ledger_append does, and notes which data subjects each record names. A key that was destroyed since the
# payloads were encrypted would make them unreadable and never erased on record: all of it fails then. The ledger's head
# is held, which who destroys a key holds too.
_APPEND = """
    CREATE FUNCTION ledger_append_naming(
        ids text[], sizes bigint[], hashes bytea[],
        new_sizes bigint[], new_hashes bytea[], new_times_us bigint[], new_edges bytea[],
        record_ends int[], seqs bigint[], record_ids uuid[], types text[], agents text[], decisions text[],
        times_us bigint[], canonicals bytea[], record_hashes bytea[], prev_hashes bytea[],
        payload_ends int[], payload_seqs bigint[], payload_names text[], payloads bytea[],
        answer_ends int[], answer_keys bytea[], answer_bodies bytea[], answers bytea[], answer_ids uuid[],
        answer_expiries_us bigint[], answer_sizes bigint[], answer_proofs bytea[], now_us bigint,
        subject_ends int[], subject_seqs bigint[], subject_ids uuid[])
    RETURNS TABLE (
        moved boolean, ledger_id text, key bytea, body bytea, sealed bytea, record_id uuid, size bigint, proof bytea)
    LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        a int;
        b int;
    BEGIN
        RETURN QUERY SELECT * FROM ledger_append(
            ids, sizes, hashes, new_sizes, new_hashes, new_times_us, new_edges, record_ends, seqs, record_ids, types,
            agents, decisions, times_us, canonicals, record_hashes, prev_hashes, payload_ends, payload_seqs,
            payload_names, payloads, answer_ends, answer_keys, answer_bodies, answers, answer_ids, answer_expiries_us,
            answer_sizes, answer_proofs, now_us);
        IF FOUND THEN
            RETURN;
        END IF;
        FOR n IN 1 .. cardinality(ids) LOOP
            a := coalesce(subject_ends[n - 1], 0) + 1; b := subject_ends[n];
            CONTINUE WHEN a > b;
            PERFORM set_config('governlayer.tenant', ids[n], true);
            IF EXISTS (
                SELECT FROM unnest(subject_ids[a:b]) AS named
                WHERE NOT EXISTS (SELECT FROM subject_key k WHERE k.id = named AND k.ledger_id = ids[n])) THEN
                RAISE EXCEPTION 'the key of a data subject is gone'
                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'subject_key_is_there';
            END IF;
            INSERT INTO ledger_subject (ledger_id, seq, subject_id)
                SELECT ids[n], given.* FROM unnest(subject_seqs[a:b], subject_ids[a:b]) AS given;
        END LOOP;
    END $$
"""

_GRANTS = (
    "REVOKE ALL ON FUNCTION ledger_append_naming FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ledger_append_naming TO governlayer_app",
    "GRANT SELECT, INSERT, UPDATE (state, retired_us) ON key_encryption_key TO governlayer_app",
    "GRANT SELECT, UPDATE (changes) ON key_change TO governlayer_app",
    "GRANT UPDATE (wrapped, state), DELETE ON data_key TO governlayer_app",
    "GRANT SELECT, INSERT, UPDATE (wrapped), DELETE ON subject_key TO governlayer_app",
    "GRANT SELECT, INSERT, DELETE ON ledger_subject TO governlayer_app",
    # Destroyed keys must leave the files too: who removes their rows may have the table written anew (PostgreSQL 17).
    """
    DO $$ BEGIN
        IF current_setting('server_version_num')::int >= 170000 THEN
            GRANT MAINTAIN ON subject_key, data_key TO governlayer_app;
        END IF;
    END $$
    """,
)

STATEMENTS = (*_TABLES, *row_security(TENANT_TABLES), _APPEND, *_GRANTS)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
