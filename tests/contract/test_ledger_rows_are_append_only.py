"""The real store's defence in depth: who may touch the rows of a ledger (security.md §2)."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.ledger.tiles import Tile

from tests.contract.conftest import World
from tests.fakes.clock import FakeClock

CHANGES = [
    "UPDATE ledger_record SET canonical = 'x'",
    "UPDATE ledger_record SET hash = hash WHERE false",
    "DELETE FROM ledger_record",
    "DELETE FROM ledger_record WHERE false",
    "TRUNCATE ledger_record",
    "TRUNCATE ledger_record CASCADE",
    "DELETE FROM ledger",
    "UPDATE ledger_checkpoint SET note = note",
    "DELETE FROM ledger_checkpoint WHERE false",
    "TRUNCATE ledger_checkpoint CASCADE",
    "UPDATE ledger_cosignature SET line = line",
    "DELETE FROM ledger_cosignature WHERE false",
    "TRUNCATE ledger_cosignature",
    "UPDATE ledger_timestamp SET token = token",
    "DELETE FROM ledger_timestamp WHERE false",
    "TRUNCATE ledger_timestamp",
    "UPDATE ledger_fork SET size = size",
    "DELETE FROM ledger_fork WHERE false",
    "TRUNCATE ledger_fork",
    "TRUNCATE ledger CASCADE",
    "UPDATE ledger SET size = size - 1",
    "UPDATE ledger SET head_hash = 'x'",
    "UPDATE ledger SET origin = 'x', size = size + 1",
    "UPDATE ledger SET id = 'x', size = size + 1",
    "UPDATE ledger_tile SET hashes = substring(hashes FOR 32)",
    "UPDATE ledger_tile SET hashes = hashes",
    "UPDATE ledger_tile SET hashes = decode(repeat('00', 96), 'hex')",
    "UPDATE ledger_tile SET level = 2, hashes = hashes || substring(hashes FOR 32)",
    "DELETE FROM ledger_tile",
    "TRUNCATE ledger_tile",
    "INSERT INTO ledger_record SELECT * FROM ledger_record ON CONFLICT (ledger_id, seq) DO UPDATE SET hash = 'x'",
]
DDL = [
    "CREATE TABLE mine (id int)",
    "CREATE TEMPORARY TABLE mine (id int)",
    "ALTER TABLE ledger_record DISABLE TRIGGER ALL",
    "ALTER TABLE ledger ADD COLUMN mine int",
    "DROP TABLE ledger_record",
    "DROP TRIGGER ledger_record_is_append_only ON ledger_record",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE SCHEMA mine",
    "SET session_replication_role = replica",
    "SET ROLE governlayer_owner",
    "COPY ledger_record TO PROGRAM 'true'",
    "INSERT INTO migration (name) VALUES ('x')",
    "UPDATE policy_set SET text = 'x'",
    "DELETE FROM deployment",
    "UPDATE data_key SET number = 2",
    "UPDATE data_key SET owner = owner",
    "UPDATE subject_key SET subject_index = ''",
    "UPDATE ledger_subject SET seq = 0",
    "UPDATE tombstone SET facts = ''",
    "DELETE FROM tombstone",
    "DELETE FROM key_encryption_key",
    "UPDATE secret SET purpose = 'jwt'",
    "UPDATE key_encryption_key SET check_value = ''",
    "UPDATE api_key SET scopes = ARRAY['govern', 'audit']",
    "UPDATE api_key SET organization_id = organization_id",
    "DELETE FROM api_key",
    "UPDATE app_user SET organization_id = organization_id",
    "UPDATE organization SET id = id",
    "DELETE FROM organization",
    "UPDATE session SET user_id = user_id",
    "UPDATE session SET created_us = 0",
    "UPDATE one_time_token SET expires_us = 0",
    "UPDATE api_key_event SET event = ''",
    "DELETE FROM api_key_event",
    "ALTER TABLE api_key DISABLE ROW LEVEL SECURITY",
    "DROP POLICY api_key_of_tenant ON api_key",
    "CREATE POLICY mine ON api_key USING (true)",
    "SET row_security = off; SELECT * FROM api_key",
]


@pytest.fixture
async def filled(database: Database, clock: FakeClock) -> World:
    store = PostgresLedgerStore(database, clock)
    world = World(ledger=store, accounts=None, clock=clock)  # type: ignore[arg-type]  # no accounts are needed
    await world.make_ledger()
    for number in range(3):
        await store.append(world.append(number))
    await store.add_tiles(world.ledger_id, {Tile(1, 0): b"\x01" * 64})
    return world


async def assert_refused(connection: "asyncpg.Connection[Any]", statement: str) -> None:
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError)):
        async with connection.transaction():
            await connection.execute(statement)


@pytest.mark.parametrize("statement", CHANGES)
async def test_neither_the_runtime_role_nor_the_owner_can_change_ledger_rows(
    filled: World,
    statement: str,
    app_connection: "asyncpg.Connection[Any]",
    owner_connection: "asyncpg.Connection[Any]",
) -> None:
    before = await owner_connection.fetch("SELECT * FROM ledger_record WHERE ledger_id = $1", filled.ledger_id)
    await app_connection.execute("SELECT set_config('governlayer.tenant', $1, false)", filled.ledger_id)
    await assert_refused(app_connection, statement)
    await assert_refused(owner_connection, statement)
    assert await owner_connection.fetch("SELECT * FROM ledger_record WHERE ledger_id = $1", filled.ledger_id) == before
    assert (await filled.ledger.append(filled.append())).record.seq == 3


@pytest.mark.parametrize("statement", DDL)
async def test_the_runtime_role_has_no_ddl_and_no_way_round(
    app_connection: "asyncpg.Connection[Any]", statement: str
) -> None:
    await assert_refused(app_connection, statement)


async def test_the_runtime_role_has_exactly_the_rights_it_needs(app_connection: "asyncpg.Connection[Any]") -> None:
    rows = await app_connection.fetch(
        "SELECT relname AS name, string_agg(right_, ' ' ORDER BY right_) AS rights FROM pg_class, "
        "unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES', 'MAINTAIN']) right_ "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, right_) "
        "GROUP BY relname"
    )
    assert {row["name"]: row["rights"] for row in rows} == {
        "api_key": "INSERT MAINTAIN SELECT",
        "api_key_event": "INSERT MAINTAIN SELECT",
        "app_user": "DELETE INSERT MAINTAIN SELECT",
        "data_key": "DELETE INSERT MAINTAIN SELECT",
        "deployment": "INSERT SELECT",
        "familiar_address": "DELETE INSERT MAINTAIN SELECT",
        "idempotent_answer": "DELETE INSERT MAINTAIN SELECT UPDATE",
        "key_change": "SELECT",
        "key_encryption_key": "INSERT SELECT",
        "ledger": "INSERT SELECT",
        "ledger_checkpoint": "INSERT SELECT",
        "ledger_cosignature": "INSERT SELECT",
        "ledger_fork": "INSERT SELECT",
        "ledger_key": "INSERT SELECT",
        "ledger_payload": "DELETE INSERT MAINTAIN SELECT",
        "ledger_record": "INSERT SELECT",
        "ledger_tile": "INSERT SELECT",
        "ledger_timestamp": "INSERT SELECT",
        "ledger_refusal": "INSERT SELECT",
        "ledger_restore": "INSERT SELECT",
        "ledger_subject": "DELETE INSERT MAINTAIN SELECT",
        "legal_hold": "INSERT SELECT",
        "migration": "SELECT",
        "one_time_token": "DELETE INSERT MAINTAIN SELECT",
        "organization": "INSERT MAINTAIN SELECT",
        "policy_set": "INSERT SELECT",
        "rotation": "DELETE INSERT SELECT",
        "secret": "DELETE INSERT SELECT",
        "session": "DELETE INSERT MAINTAIN SELECT",
        "subject_key": "DELETE INSERT MAINTAIN SELECT",
        "tombstone": "INSERT SELECT",
        "usage_count": "DELETE INSERT MAINTAIN SELECT",
    }


async def test_the_runtime_role_may_change_exactly_the_columns_it_needs(
    app_connection: "asyncpg.Connection[Any]",
) -> None:
    rows = await app_connection.fetch(
        "SELECT relname AS name, array_agg(attname::text ORDER BY attname) AS columns FROM pg_class "
        "JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
        "AND has_column_privilege(pg_class.oid, attnum, 'UPDATE') AND NOT has_table_privilege(pg_class.oid, 'UPDATE') "
        "GROUP BY relname"
    )
    assert {row["name"]: row["columns"] for row in rows} == {
        "api_key": [
            "allowed_ips",
            "expires_us",
            "fingerprint",
            "name",
            "prefix",
            "previous_fingerprint",
            "previous_until_us",
            "rate_limit",
            "revoked_us",
            "seal",
        ],
        "app_user": [
            "disabled_us",
            "email_index",
            "email_sealed",
            "password_hash",
            "recovery",
            "role",
            "seal",
            "totp_pending",
            "totp_sealed",
            "totp_step",
        ],
        "data_key": ["state", "wrapped"],
        "deployment": ["wrapped_seed"],
        "familiar_address": ["seen_us"],
        "key_change": ["changes"],
        "key_encryption_key": ["retired_us", "state"],
        "ledger": ["edge", "head_hash", "head_time_us", "size"],
        "ledger_key": ["introduced_us", "retired_us", "state", "wrapped_seed"],
        "ledger_payload": ["sealed"],
        "legal_hold": ["release_sealed", "released_id", "released_kind", "released_us", "sealed"],
        "ledger_tile": ["hashes"],
        "ledger_refusal": ["lifted_us"],
        "one_time_token": ["seal", "used_us"],
        "organization": [
            "closed_us",
            "default_decision",
            "name",
            "on_error",
            "plan",
            "registration",
            "retention",
            "retention_days",
            "retention_reason",
            "store_payloads",
        ],
        "rotation": ["position"],
        "secret": ["moved_us", "state", "wrapped"],
        "session": ["authenticated_us", "ended_us", "generation", "seal", "seen_us"],
        "subject_key": ["wrapped"],
        "tombstone": ["finished_us", "vacuumed_us"],
        "usage_count": ["last_us", "requests"],
    }


async def test_a_seq_can_be_taken_only_once(filled: World, app_connection: "asyncpg.Connection[Any]") -> None:
    fork = (
        "INSERT INTO ledger_record (ledger_id, seq, record_id, type, time_us, canonical, hash, prev_hash) "
        "VALUES ($1, 2, $2, 'decision', 0, 'x', 'x', 'x')"
    )
    await app_connection.execute("SELECT set_config('governlayer.tenant', $1, false)", filled.ledger_id)
    with pytest.raises(asyncpg.UniqueViolationError):
        await app_connection.execute(fork, filled.ledger_id, uuid4())
