"""Migrations: all or nothing, once, and never behind a newer version's back."""

import asyncio
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from governlayer_server.adapters.postgres import migrations, tables
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.migrate import _Manager, apply_migrations, pending_migrations
from governlayer_server.adapters.postgres.migrations import (
    m0001_initial,
)
from governlayer_server.adapters.postgres.piccolo_app import APP_CONFIG, APP_NAME
from governlayer_server.domain.errors import ConfigurationError, GovernLayerError
from piccolo.apps.migrations.tables import Migration

from tests.fakes.servers import Servers, address

MODULES = [
    import_module(f"{migrations.__name__}.{path.stem}")
    for path in sorted(Path(migrations.__file__).parent.glob("m*.py"))
]
ALL = [module.ID for module in MODULES]
ORGANIZATION = UUID(int=1)
ROWS = {
    "app_user": (
        "INSERT INTO app_user (id, organization_id, role, email_sealed, email_index, created_us) "
        "VALUES (gen_random_uuid(), $1, 'owner', '', '', 1)"
    ),
    "api_key": (
        "INSERT INTO api_key (id, organization_id, name, prefix, fingerprint, scopes, created_us, seal) "
        "VALUES (gen_random_uuid(), $1, 'key', 'gl_', '', ARRAY['govern'], 1, 'old')"
    ),
}
TYPES = {"UUID": "uuid", "Text": "text", "Bytea": "bytea", "BigInt": "bigint", "Boolean": "boolean", "Array": "ARRAY"}


@pytest.fixture
async def owner(empty_database: Servers) -> AsyncIterator[Database]:
    database = await connect(address(empty_database.owner))
    yield database
    await database.close()


@pytest.fixture
async def look(empty_database: Servers) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(**empty_database.owner.options())
    yield connection
    await connection.close()


@pytest.fixture
def module() -> ModuleType:
    """The first migration as Piccolo loads it: by its path, apart from the package."""
    manager = _Manager(app_name=APP_NAME)
    found: Any = manager.get_migration_modules(APP_CONFIG.resolved_migrations_folder_path)[m0001_initial.ID]
    assert isinstance(found, ModuleType)
    return found


async def tables_of(look: "asyncpg.Connection[Any]") -> set[str]:
    rows = await look.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {row["tablename"] for row in rows}


async def test_an_empty_database_lacks_all_and_a_second_run_changes_nothing(
    owner: Database, look: "asyncpg.Connection[Any]"
) -> None:
    assert await pending_migrations() == ALL
    assert await tables_of(look) == set()
    assert await apply_migrations(owner) == ALL
    assert await pending_migrations() == []
    before = await look.fetch("SELECT * FROM migration")
    assert await apply_migrations(owner) == []
    assert await look.fetch("SELECT * FROM migration") == before
    assert len(before) == len(ALL)


@pytest.mark.parametrize("broken_at", [1, 7, len(m0001_initial.STATEMENTS) - 1])
@pytest.mark.parametrize("fault", ["SELECT 1 / 0", "SELECT * FROM nowhere", "THIS IS NOT SQL"])
async def test_a_migration_that_fails_in_the_middle_leaves_nothing_and_can_be_repeated(
    owner: Database,
    look: "asyncpg.Connection[Any]",
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    broken_at: int,
    fault: str,
) -> None:
    broken = (*m0001_initial.STATEMENTS[:broken_at], fault, *m0001_initial.STATEMENTS[broken_at:])
    with monkeypatch.context() as patch:
        patch.setattr(module, "STATEMENTS", broken)
        with pytest.raises(ConfigurationError, match="a migration failed"):
            await apply_migrations(owner)
    assert await tables_of(look) == set()
    assert await apply_migrations(owner) == ALL


async def test_a_migration_whose_connection_dies_leaves_nothing_and_can_be_repeated(
    owner: Database,
    look: "asyncpg.Connection[Any]",
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
) -> None:
    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
    with monkeypatch.context() as patch:
        patch.setattr(module, "STATEMENTS", (*m0001_initial.STATEMENTS[:8], kill))
        with pytest.raises(GovernLayerError):
            await apply_migrations(owner)
    assert await tables_of(look) == set()
    assert await apply_migrations(owner) == ALL


async def test_a_statement_reaches_the_database_as_it_is_written(
    owner: Database, look: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    braces = "{} {0} {{}} {a} } {"
    making = f"CREATE TABLE made AS SELECT '{braces}' AS text"
    monkeypatch.setattr(module, "STATEMENTS", (*m0001_initial.STATEMENTS, making))
    await apply_migrations(owner)
    assert await look.fetchval("SELECT text FROM made") == braces


async def test_a_migration_of_a_newer_version_is_refused(owner: Database, look: "asyncpg.Connection[Any]") -> None:
    await apply_migrations(owner)
    await look.execute("INSERT INTO migration (name, app_name) VALUES ('2099-01-01T00:00:00:000000', 'governlayer')")
    with pytest.raises(ConfigurationError, match="2099-01-01"):
        await pending_migrations()
    with pytest.raises(ConfigurationError, match="2099-01-01"):
        await apply_migrations(owner)


@pytest.mark.parametrize("held", ["app_user", "api_key"])
async def test_a_database_with_rows_from_before_they_were_sealed_is_refused_as_it_is(
    owner: Database, look: "asyncpg.Connection[Any]", held: str
) -> None:
    """As a development version left it: the first migration alone, and a user or a key."""
    await Migration.create_table(if_not_exists=True)
    for statement in m0001_initial.STATEMENTS:
        await look.execute(statement)
    await Migration.insert(Migration(name=m0001_initial.ID, app_name=APP_NAME))
    await look.execute(
        "INSERT INTO organization (id, name, plan, created_us) VALUES ($1, 'Acme', 'free', 1)", ORGANIZATION
    )
    await look.execute(ROWS[held], ORGANIZATION)
    before = await columns_of(look)
    with pytest.raises(ConfigurationError, match=r"nothing was changed.*before users and keys were sealed.*export"):
        await apply_migrations(owner)
    assert await columns_of(look) == before
    assert await pending_migrations() == ALL[1:]
    assert await look.fetchval(f"SELECT count(*) FROM {held}") == 1
    await look.execute(f"DELETE FROM {held}")
    assert await apply_migrations(owner) == ALL[1:]


async def columns_of(look: "asyncpg.Connection[Any]") -> list[tuple[str, str]]:
    rows = await look.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    return sorted((row["table_name"], row["column_name"]) for row in rows)


async def test_who_migrates_at_the_same_time_waits_and_then_has_nothing_to_do(owner: Database) -> None:
    applied = await asyncio.gather(*(apply_migrations(owner) for _ in range(3)))
    assert sorted(applied) == [[], [], ALL]


async def test_the_runtime_role_cannot_migrate(empty_database: Servers, look: "asyncpg.Connection[Any]") -> None:
    database = await connect(address(empty_database.app))
    try:
        with pytest.raises(GovernLayerError):
            await apply_migrations(database)
    finally:
        await database.close()
    assert await tables_of(look) == set()


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table._meta.tablename)
async def test_the_tables_as_piccolo_knows_them_are_those_of_the_schema(
    table: Any, owner_connection: "asyncpg.Connection[Any]"
) -> None:
    rows = await owner_connection.fetch(
        "SELECT column_name AS name, data_type AS type, is_nullable = 'YES' AS null, column_name IN ("
        "  SELECT column_name FROM information_schema.key_column_usage WHERE table_name = $1"
        "  AND constraint_name = $1 || '_pkey') AS key "
        "FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1",
        table._meta.tablename,
    )
    # Piccolo knows one column as the primary key; of a key of several it is told the first or none.
    several = sum(row["key"] for row in rows) > 1
    stored = {row["name"]: (row["type"], row["null"], row["key"] and not several) for row in rows}
    known = {
        column._meta.name: (TYPES[type(column).__name__], column._meta.null, column._meta.primary_key and not several)
        for column in table._meta.columns
    }
    assert known == stored


async def test_every_table_has_a_class_or_belongs_to_the_ledger(owner_connection: "asyncpg.Connection[Any]") -> None:
    with_class = {table._meta.tablename for table in tables.TABLES}
    ledger = {
        "ledger",
        "ledger_record",
        "ledger_payload",
        "ledger_checkpoint",
        "ledger_cosignature",
        "ledger_timestamp",
        "ledger_fork",
        "ledger_key",
        "ledger_refusal",
        "ledger_restore",
        "ledger_tile",
        "ledger_subject",
        "idempotent_answer",
        "tombstone",
        "legal_hold",
        "migration",
    }
    keys = {"data_key", "key_change", "key_encryption_key", "rotation", "secret", "subject_key"}
    assert await tables_of(owner_connection) == with_class | ledger | keys


def test_migrations_have_ids_of_their_own_in_the_order_of_their_numbers() -> None:
    assert len(ALL) >= 4
    assert sorted(set(ALL)) == ALL, "of two with one id, one would never run"
