"""Appends to any number of ledgers by one statement; a kept answer's receipt is made again from its proof."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from governlayer_server.adapters.postgres.statements import migration_of

ID = "2026-11-26T02:30:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "group commit"
ROWS = {"idempotent_answer": "every row is written anew, with the proof that its receipt is made from"}
DOWNGRADE = "Versions without it read columns of the kept answers that are gone: none of them decides."

# The newest leaf's proof is the tree's edge before it, smallest subtree first.
_ANSWERS = (
    "ALTER TABLE idempotent_answer ADD COLUMN size bigint, ADD COLUMN proof bytea",
    """
    UPDATE idempotent_answer SET size = size_before + 1, proof = (
        SELECT coalesce(string_agg(substr(edge_before, start, 32), '' ORDER BY start DESC), '')
        FROM generate_series(1, octet_length(edge_before), 32) AS start)
    """,
    """
    ALTER TABLE idempotent_answer ALTER COLUMN size SET NOT NULL, ALTER COLUMN proof SET NOT NULL,
        DROP COLUMN size_before, DROP COLUMN edge_before
    """,
)

# As the caller, not as the tables' owner: row level security binds each step to the one ledger that it is about.
# Heads are locked in the order given, which all callers keep ascending, so that no two wait for each other.
# Nobody holds one for long: a ledger that somebody does hold makes the others of its batch wait for half a second.
# The nth ledger's rows end at its *_ends[n]; where a head has moved, or a key has its answer, nothing is written.
_APPEND = """
    CREATE FUNCTION ledger_append(
        ids text[], sizes bigint[], hashes bytea[],
        new_sizes bigint[], new_hashes bytea[], new_times_us bigint[], new_edges bytea[],
        record_ends int[], seqs bigint[], record_ids uuid[], types text[], agents text[], decisions text[],
        times_us bigint[], canonicals bytea[], record_hashes bytea[], prev_hashes bytea[],
        payload_ends int[], payload_seqs bigint[], payload_names text[], payloads bytea[],
        answer_ends int[], answer_keys bytea[], answer_bodies bytea[], answers bytea[], answer_ids uuid[],
        answer_expiries_us bigint[], answer_sizes bigint[], answer_proofs bytea[], now_us bigint)
    RETURNS TABLE (
        moved boolean, ledger_id text, key bytea, body bytea, sealed bytea, record_id uuid, size bigint, proof bytea)
    LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
        a int;
        b int;
    BEGIN
        PERFORM set_config('lock_timeout', '500ms', true);
        FOR n IN 1 .. cardinality(ids) LOOP
            PERFORM set_config('governlayer.tenant', ids[n], true);
            PERFORM FROM ledger
                WHERE ledger.id = ids[n] AND ledger.size = sizes[n] AND ledger.head_hash = hashes[n] FOR UPDATE;
            IF NOT FOUND THEN
                moved := true; ledger_id := ids[n];
                RETURN NEXT;
                RETURN;
            END IF;
            a := coalesce(answer_ends[n - 1], 0) + 1; b := answer_ends[n];
            IF a <= b THEN
                RETURN QUERY SELECT false, t.ledger_id, t.key, t.body, t.sealed, t.record_id, t.size, t.proof
                    FROM idempotent_answer t
                    WHERE t.ledger_id = ids[n] AND t.key = ANY (answer_keys[a:b]) AND t.expires_us > now_us;
                IF FOUND THEN
                    RETURN;
                END IF;
            END IF;
        END LOOP;
        FOR n IN 1 .. cardinality(ids) LOOP
            PERFORM set_config('governlayer.tenant', ids[n], true);
            a := coalesce(record_ends[n - 1], 0) + 1; b := record_ends[n];
            INSERT INTO ledger_record
                (ledger_id, seq, record_id, type, agent, decision, time_us, canonical, hash, prev_hash)
                SELECT ids[n], given.* FROM unnest(
                    seqs[a:b], record_ids[a:b], types[a:b], agents[a:b], decisions[a:b], times_us[a:b],
                    canonicals[a:b], record_hashes[a:b], prev_hashes[a:b]) AS given;
            a := coalesce(payload_ends[n - 1], 0) + 1; b := payload_ends[n];
            IF a <= b THEN
                INSERT INTO ledger_payload (ledger_id, seq, name, sealed)
                    SELECT ids[n], given.* FROM unnest(
                        payload_seqs[a:b], payload_names[a:b], payloads[a:b]) AS given;
            END IF;
            a := coalesce(answer_ends[n - 1], 0) + 1; b := answer_ends[n];
            IF a <= b THEN
                INSERT INTO idempotent_answer
                    (ledger_id, key, body, sealed, record_id, expires_us, size, proof)
                    SELECT ids[n], given.* FROM unnest(
                        answer_keys[a:b], answer_bodies[a:b], answers[a:b], answer_ids[a:b], answer_expiries_us[a:b],
                        answer_sizes[a:b], answer_proofs[a:b]) AS given
                    ON CONFLICT (ledger_id, key) DO UPDATE
                        SET body = excluded.body, sealed = excluded.sealed, record_id = excluded.record_id,
                            expires_us = excluded.expires_us, size = excluded.size, proof = excluded.proof;
            END IF;
            UPDATE ledger
                SET size = new_sizes[n], head_hash = new_hashes[n], head_time_us = new_times_us[n],
                    edge = new_edges[n]
                WHERE ledger.id = ids[n];
        END LOOP;
    END $$
"""

# The heads of ledgers, locked in their order until the transaction ends; a ledger that does not exist is left out.
_LOCK = """
    CREATE FUNCTION ledger_lock(ids text[]) RETURNS SETOF ledger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('lock_timeout', '500ms', true);
        FOR n IN 1 .. cardinality(ids) LOOP
            PERFORM set_config('governlayer.tenant', ids[n], true);
            RETURN QUERY SELECT * FROM ledger WHERE id = ids[n] FOR UPDATE;
        END LOOP;
    END $$
"""

STATEMENTS = (
    *_ANSWERS,
    _APPEND,
    _LOCK,
    "REVOKE ALL ON FUNCTION ledger_append, ledger_lock FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION ledger_append, ledger_lock TO governlayer_app",
)


async def forwards() -> MigrationManager:
    """Return the changes of this migration."""
    return migration_of(ID, DESCRIPTION, STATEMENTS)
