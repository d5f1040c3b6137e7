"""
A real PostgreSQL and a real Redis, started once for the whole run; each test gets a connection of its own.

Nothing is cleaned between tests: each makes its own organization or ledger under a name that no other test has.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis, RedisLogin
from governlayer_server.adapters.embedded.roles import Login
from governlayer_server.adapters.postgres.database import Database, PostgresAddress, connect
from governlayer_server.adapters.postgres.migrate import apply_migrations
from redis.asyncio import Redis

from tests.fakes.clock import FakeClock, FakeEntropy


@dataclass(frozen=True)
class Servers:
    """The logins of the running servers."""

    owner: Login
    app: Login
    admin: Login
    redis: RedisLogin

    def in_database(self, name: str) -> "Servers":
        return replace(self, owner=replace(self.owner, database=name), app=replace(self.app, database=name))


def address(login: Login) -> PostgresAddress:
    return PostgresAddress(**login.options())


async def migrate(servers: Servers) -> None:
    database = await connect(address(servers.owner))
    try:
        await apply_migrations(database)
    finally:
        await database.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """PostgreSQL, migrated, and Redis."""
    place = Path(tempfile.mkdtemp(prefix="gl-tests-"))
    place.chmod(0o755)
    directory = DataDirectory.open(place / "data")
    postgres, redis = EmbeddedPostgres(directory), EmbeddedRedis(directory)
    running = Servers(owner=postgres.owner, app=postgres.app, admin=postgres.admin, redis=redis.login)

    async def start() -> None:
        await asyncio.gather(postgres.start(), redis.start())
        await migrate(running)

    async def stop() -> None:
        await asyncio.gather(postgres.stop(), redis.stop())

    with directory.lock():
        try:
            asyncio.run(start())
            yield running
        finally:
            asyncio.run(stop())
    shutil.rmtree(place)


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[Database]:
    """A connection pool of the runtime role."""
    opened = await connect(address(servers.app))
    yield opened
    await opened.close()


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    """A client of the real Redis."""
    client = Redis(**servers.redis.options())
    yield client
    await client.aclose()


@pytest.fixture
async def app_connection(servers: Servers) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Plain SQL as the runtime role."""
    connection = await asyncpg.connect(**servers.app.options())
    yield connection
    await connection.close()


@pytest.fixture
async def owner_connection(servers: Servers) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Plain SQL as the owner of the tables."""
    connection = await asyncpg.connect(**servers.owner.options())
    yield connection
    await connection.close()


@pytest.fixture
async def empty_database(servers: Servers) -> AsyncIterator[Servers]:
    """A database without any table, for this test alone."""
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(**servers.admin.options())
    await admin.execute(f"CREATE DATABASE {name} OWNER {servers.owner.user}")
    await admin.close()
    inside = servers.in_database(name)
    schema = await asyncpg.connect(**{**servers.admin.options(), "database": name})
    await schema.execute(f"GRANT USAGE ON SCHEMA public TO {servers.app.user}")
    await schema.close()
    yield inside
    admin = await asyncpg.connect(**servers.admin.options())
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def entropy() -> FakeEntropy:
    return FakeEntropy()
