"""The logs of the embedded servers hold no statement and no value, whatever goes wrong (security.md §1 row 12)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.fakes.canaries import Canaries

FAILING = {
    "bad cast": "SELECT '{}'::int",
    "syntax error": "SELECT {} {} {}",
    "unknown table": 'SELECT * FROM "{}"',
    "division": "SELECT 1 / length('{}') / 0",
    "duplicate": "INSERT INTO kept VALUES ('{0}'), ('{0}')",
    "check": "INSERT INTO kept VALUES ('{}'), ('')",
    "null": "INSERT INTO kept (secret, other) VALUES ('{}', NULL)",
    "too long": "INSERT INTO kept (secret, short) VALUES ('a', '{}')",
    "timeout": "SET statement_timeout = 50; SELECT '{}', pg_sleep(60)",
    "exception": "DO $$ BEGIN RAISE EXCEPTION '{}'; END $$",
    "warning": "DO $$ BEGIN RAISE WARNING '{}'; END $$",
    "notice": "DO $$ BEGIN RAISE NOTICE '{}'; END $$",
    "unknown setting": "SET application_name = '{}'; SET \"{}\" = 1",
    "bad JSON": "SELECT '{{\"a\": {}}}'::json",
    "bad regular expression": "SELECT 'a' ~ '({}'",
    "rights": 'CREATE TABLE "{}" (a int)',
}
TABLE = """
CREATE TABLE kept (secret text PRIMARY KEY CHECK (secret <> ''), other text NOT NULL DEFAULT '', short varchar(3));
GRANT SELECT, INSERT ON kept TO PUBLIC
"""


@pytest.fixture
async def postgres(used: DataDirectory) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(used)
    await server.start()
    owner = await asyncpg.connect(**server.owner.options())
    await owner.execute(TABLE)
    await owner.close()
    yield server
    await server.stop()


async def _fails(connection: "asyncpg.Connection[Any]", sql: str, *values: object) -> None:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError):
        await (connection.fetch(sql, *values) if values else connection.execute(sql))


async def test_postgresql_logs_no_value_of_a_statement_that_fails(
    used: DataDirectory, postgres: EmbeddedPostgres
) -> None:
    canaries = Canaries()
    for login in (postgres.app, postgres.owner, postgres.admin):
        # A statement may change the session that runs it.
        for name, sql in FAILING.items():
            connection = await asyncpg.connect(**{**login.options(), "database": postgres.app.database})
            await _fails(connection, sql.format(*(canaries.new(name) for _ in range(3))))
            await connection.close()
        connection = await asyncpg.connect(**{**login.options(), "database": postgres.app.database})
        for sql in ("INSERT INTO kept VALUES ($1), ($1)", "SELECT $1::text::int", "SELECT $1::text::json"):
            await _fails(connection, sql, canaries.new(sql))
        await connection.close()
    assert canaries.found_in(_logs(used)) == []
    assert len(canaries.places) >= 3 * len(FAILING)


async def test_postgresql_logs_no_statement_that_is_cancelled_or_dies(
    used: DataDirectory, postgres: EmbeddedPostgres
) -> None:
    canaries = Canaries()
    for end in ("pg_cancel_backend", "pg_terminate_backend", "kill -9"):
        admin = await asyncpg.connect(**postgres.admin.options())
        connection = await asyncpg.connect(**postgres.app.options())
        running = asyncio.create_task(_fails(connection, f"SELECT pg_sleep(60), '{canaries.new(end)}'"))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
        pid = connection.get_server_pid()
        await _until(lambda: admin.fetch(waiting, pid))  # noqa: B023  # called in this turn only
        if end == "kill -9":
            os.kill(pid, signal.SIGKILL)
        else:
            await admin.execute(f"SELECT {end}({pid})")
        await asyncio.wait_for(running, 30)
        connection.terminate()
        admin.terminate()
    await _until(lambda: asyncio.to_thread(lambda: b"was terminated by signal 9" in _logs(used)))
    assert canaries.found_in(_logs(used)) == []


async def test_postgresql_logs_no_password_that_is_tried(used: DataDirectory, postgres: EmbeddedPostgres) -> None:
    canaries = Canaries()
    for login in (postgres.app, postgres.owner, postgres.admin):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(**{**login.options(), "password": canaries.new("password")})
    # That it was tried is said.
    assert _logs(used).count(b"password authentication failed") == 3
    assert canaries.found_in(_logs(used)) == []


async def test_redis_logs_no_command_and_no_value(directory: DataDirectory) -> None:
    canaries = Canaries()
    redis = EmbeddedRedis(directory)
    await redis.start()
    login = redis.login

    async def say(*words: str) -> None:
        async with Redis(**login.options()) as client:
            with suppress(RedisError):
                await client.execute_command(*words)

    new = canaries.new
    await say("SET", new("key"), new("value"))
    await say("INCR", new("list"))
    await say("LPUSH", "list", new("item"))
    await say("INCR", "list")
    await say("HSET", "list", new("field"), new("field value"))
    await say(new("command"), new("argument"))
    await say("CONFIG", "SET", new("setting"), new("setting"))
    await say("CLIENT", "SETNAME", new("client name"))
    await say("EVAL", f"return redis.call('INCR', '{new('script key')}', '{new('script')}')", "0")
    await say("EVAL", f"error('{new('script error')}')", "0")
    await say("EVAL", f"this is no script {new('no script')}", "0")
    await say("EVAL", "return redis.call(ARGV[1], ARGV[2])", "0", new("script command"), new("script argument"))
    await say("EVALSHA", new("digest"), "0")
    await say("SET", "large", new("large") * 3_500_000)
    for credentials in ({"password": new("password")}, {"username": new("user"), "password": new("password")}):
        async with Redis(**{**login.options(), **credentials}) as client:
            with pytest.raises(RedisError):
                await client.ping()
    await _raw(login.socket, f"*1\r\n$-9{new('protocol')}\r\n".encode())
    await _raw(login.socket, f"POST /{new('http')} HTTP/1.1\r\nHost: {new('http')}\r\n\r\n".encode())
    await redis.stop()
    contents = (directory.logs / "redis.log").read_bytes()
    assert canaries.found_in(contents) == []
    assert b"ready to exit" in contents


async def _raw(path: str, sent: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    writer.write_eof()
    with suppress(ConnectionError):
        await reader.read()
    writer.close()


async def _until(condition: Callable[[], Awaitable[object]], limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while not await condition():  # noqa: ASYNC110  # what is waited for happens in another process
            await asyncio.sleep(0.02)


def _logs(directory: DataDirectory) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.logs.iterdir()))
