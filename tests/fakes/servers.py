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
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.database import Database, connect
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


class Databases:
    """
    Databases of single tests.

    A migrated one is a copy of the first. They are dropped many at a time: each drop waits until the server has written
    out all that it holds, and those at the same time wait for the same.
    """

    AT_ONCE = 16

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._migrated: str | None = None
        self._done: list[str] = []

    async def empty(self) -> Servers:
        """Return a new database without any table."""
        inside = await self._create("template1")
        await _run(
            replace(self._servers.admin, database=inside.owner.database),
            f"GRANT USAGE ON SCHEMA public TO {self._servers.app.user}",
        )
        return inside

    async def migrated(self) -> Servers:
        """Return a new database with all tables, and nothing in them."""
        if self._migrated is None:
            first = await self.empty()
            await migrate(first)
            self._migrated = first.owner.database
        return await self._create(self._migrated)

    async def drop(self, servers: Servers) -> None:
        """Give *servers* back; nobody may use it any more."""
        self._done.append(servers.owner.database)
        if len(self._done) == self.AT_ONCE:
            drops = (_run(self._servers.admin, f"DROP DATABASE {name} WITH (FORCE)") for name in self._done)
            await asyncio.gather(*drops)
            self._done.clear()

    async def _create(self, template: str) -> Servers:
        name = f"test_{uuid4().hex}"
        await _run(self._servers.admin, f"CREATE DATABASE {name} OWNER {self._servers.owner.user} TEMPLATE {template}")
        return self._servers.in_database(name)


async def _run(login: Login, statement: str) -> None:
    connection = await asyncpg.connect(**login.options())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Databases:
    return Databases(servers)


@pytest.fixture
async def empty_database(databases: Databases) -> AsyncIterator[Servers]:
    """A database without any table, for this test alone."""
    made = await databases.empty()
    yield made
    await databases.drop(made)


@pytest.fixture
async def migrated_database(databases: Databases) -> AsyncIterator[Servers]:
    """A database with all tables and no row, for this test alone."""
    made = await databases.migrated()
    yield made
    await databases.drop(made)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def entropy() -> FakeEntropy:
    return FakeEntropy()
