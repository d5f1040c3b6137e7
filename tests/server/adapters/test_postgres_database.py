"""The connection: failures have one name, and a database that may forget is refused."""

import asyncio
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.database import Database, connect, failures_named
from governlayer_server.adapters.postgres.tables import PolicySetRow
from governlayer_server.domain.errors import ConfigurationError, LedgerUnavailable
from msgspec.structs import replace
from piccolo.apps.migrations.tables import Migration

from tests.fakes.servers import Servers, address


@pytest.mark.parametrize("setting", ["synchronous_commit"])
async def test_a_database_that_is_not_durable_is_refused_at_once(empty_database: Servers, setting: str) -> None:
    admin = await asyncpg.connect(**empty_database.admin.options())
    await admin.execute(f"ALTER DATABASE {empty_database.app.database} SET {setting} = off")
    await admin.close()
    started = time.monotonic()
    with pytest.raises(ConfigurationError, match=setting):
        await connect(address(empty_database.app))
    assert time.monotonic() - started < 1.5


async def test_a_database_that_is_away_is_unavailable(servers: Servers, tmp_path: Path) -> None:
    for wrong in ({"host": str(tmp_path)}, {"password": "wrong"}, {"database": "none"}, {"port": 1}):
        with pytest.raises(LedgerUnavailable):
            await connect(replace(address(servers.app), **wrong))


async def test_a_lost_connection_is_unavailable_and_the_next_one_works(database: Database, servers: Servers) -> None:
    with pytest.raises(LedgerUnavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await database.answers()


async def test_a_refused_statement_is_unavailable(database: Database) -> None:
    for statement in ("SELECT 1 / 0", "SELECT * FROM nowhere", "DROP TABLE ledger"):
        with pytest.raises(LedgerUnavailable, match="did not answer as it should"):
            async with database.connection() as connection:
                await connection.execute(statement)
    assert await database.answers()


async def test_what_else_goes_wrong_keeps_its_name(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.connection():
            raise ZeroDivisionError
    with pytest.raises(KeyError), failures_named():
        raise KeyError("x")
    for error in (OSError(), TimeoutError(), asyncpg.InterfaceError("x"), asyncpg.PostgresError("x")):
        with pytest.raises(LedgerUnavailable), failures_named():
            raise error


async def test_statements_that_take_too_long_are_ended(database: Database) -> None:
    started = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(60)")
    assert time.monotonic() - started < 6


async def test_when_all_connections_are_taken_the_wait_is_bounded(database: Database) -> None:
    release = asyncio.Event()

    async def hold() -> None:
        async with database.connection():
            await release.wait()

    holders = [asyncio.create_task(hold()) for _ in range(7)]
    await asyncio.sleep(0.3)
    started = time.monotonic()
    assert not await database.answers()
    assert time.monotonic() - started < 4
    async with database.connection(for_writer=True) as connection:  # one is left for the records
        assert await connection.fetchval("SELECT 1") == 1
    release.set()
    await asyncio.gather(*holders)
    assert await database.answers()


async def test_a_closed_database_is_unavailable(servers: Servers) -> None:
    database = await connect(address(servers.app))
    await database.close()
    await database.close()
    assert not await database.answers()


def test_the_password_is_not_shown() -> None:
    shown: Any = PostgresAddress(host="localhost", port=1, database="d", user="u", password="CANARY")
    assert repr(shown) == "PostgresAddress(u@localhost:1/d)"


async def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    name, key = f"test {uuid4()}", uuid4().hex
    insert = "INSERT INTO policy_set (hash, text, created_us) VALUES ({}, {}, 1)"

    async def fail() -> None:
        async with database.transaction():
            await PolicySetRow.raw(insert, key, name)
            assert await PolicySetRow.exists().where(PolicySetRow.hash == key)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert not await PolicySetRow.exists().where(PolicySetRow.hash == key)
    async with database.transaction():
        await PolicySetRow.raw(insert, key, name)
    assert await PolicySetRow.exists().where(PolicySetRow.hash == key)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with database.transaction():
            await PolicySetRow.raw(insert, key, name)


async def test_transactions_whose_connection_dies_cost_the_pool_nothing(database: Database) -> None:
    for _ in range(20):
        with pytest.raises(LedgerUnavailable):
            async with database.transaction():
                await PolicySetRow.raw("SELECT pg_terminate_backend(pg_backend_pid())")
    async with database.transaction():
        assert await PolicySetRow.raw("SELECT 1 AS one") == [{"one": 1}]
    assert await database.answers()


async def test_what_piccolo_does_goes_to_the_database_opened_last(servers: Servers) -> None:
    for login in (servers.owner, servers.app):
        database = await connect(address(login))
        for table in (PolicySetRow, Migration):
            assert await table.raw("SELECT current_user AS name") == [{"name": login.user}]
        await database.close()
