"""The embedded Redis: what its one user may do, and what nobody may."""

import asyncio
import os
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from tests.server.adapters.embedded.watching import listens_on_tcp, modes_below, proc, processes_of, programs_of

REFUSED = (
    "CONFIG GET *",
    "CONFIG SET save 1",
    "FLUSHALL",
    "FLUSHDB",
    "DEBUG SLEEP 0",
    "KEYS *",
    "SHUTDOWN NOSAVE",
    "SAVE",
    "BGSAVE",
    "ACL LIST",
    "MODULE LIST",
    "REPLICAOF NO ONE",
    "MONITOR",
    "SLOWLOG GET",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "SCRIPT FLUSH",
    "MIGRATE host 1 key 0 10",
    "SWAPDB 0 1",
    "INFO",
)


async def test_the_user_can_do_what_the_appliance_needs(any_place: Path) -> None:
    redis = EmbeddedRedis(DataDirectory.open(any_place / "data"))
    await redis.start()
    async with Redis(**redis.login.options()) as client:
        assert await client.set("key", "value", ex=60)
        assert await client.get("key") == b"value"
        script = client.register_script("return redis.call('INCR', KEYS[1]) + redis.call('TIME')[1] * 0")
        assert [await script(keys=["count"]) for _ in range(3)] == [1, 2, 3]
        async with client.pipeline(transaction=True) as pipeline:
            assert await pipeline.hset("hash", "a", "1").expire("hash", 5).execute() == [1, True]
        async with client.pubsub() as listener:
            await listener.subscribe("revoked")
            await listener.get_message(timeout=1)
            assert await client.publish("revoked", "id") == 1
    await redis.stop()
    assert processes_of(any_place) == []


async def test_dangerous_commands_are_refused(directory: DataDirectory) -> None:
    redis = EmbeddedRedis(directory)
    await redis.start()
    async with Redis(**redis.login.options()) as client:
        for command in REFUSED:
            with pytest.raises(NoPermissionError):
                await client.execute_command(*command.split())
        with pytest.raises(ResponseError, match="can't run this command"):
            await client.eval("return redis.call('FLUSHALL')", 0)
        assert await client.ping()
    await redis.stop()


async def say(path: str, line: str) -> str:
    """Send one inline command on a new connection; return the first line of the answer."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line.encode() + b"\r\n")
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return answer.decode().strip()


async def test_nothing_works_without_the_password(directory: DataDirectory) -> None:
    redis = EmbeddedRedis(directory)
    await redis.start()
    path, password = redis.login.socket, redis.login.password
    for command in ("PING", "GET key", "SET key value", "CONFIG GET *", "ACL WHOAMI", "HELLO 3", "EVAL return 0"):
        assert (await say(path, command)).startswith("-NOAUTH"), command
    for login in ("governlayer wrong", 'default ""', f"default {password}", f"other {password}"):
        assert (await say(path, f"AUTH {login}")).startswith("-WRONGPASS"), login
    assert await say(path, f"AUTH governlayer {password}") == "+OK"
    await redis.stop()


async def test_it_has_no_port_no_file_and_no_secret_in_sight(directory: DataDirectory) -> None:
    redis = EmbeddedRedis(directory)
    await redis.start()
    async with Redis(**redis.login.options()) as client:
        await client.set("key", "canary-value")
    (pid,) = programs_of(directory.path)["redis-server"]
    assert not listens_on_tcp([pid])
    assert os.getsid(pid) == pid
    seen = [proc(pid, "cmdline"), proc(pid, "environ")]
    modes = modes_below(directory.path)
    await redis.stop()
    left = {path.name for path in modes_below(directory.path)}
    assert left == {"lock", "logs", "redis", "redis.log", "redis.password", "secrets", "sockets"}
    seen.append((directory.logs / "redis.log").read_text())
    assert not [text for text in seen if redis.login.password in text or "canary" in text]
    assert redis.login.password not in repr(redis.login)
    assert all(mode & 0o077 == 0 or path == directory.sockets for path, mode in modes.items())


async def fill(client: Redis) -> None:
    for number in range(40):
        await client.set(f"more {number}", bytes(1024 * 1024), ex=60)


async def test_a_full_redis_refuses_to_write_and_forgets_nothing(directory: DataDirectory) -> None:
    redis = EmbeddedRedis(directory)
    await redis.start()
    async with Redis(**redis.login.options()) as client:
        await client.set("limit", 1, ex=60)
        for number in range(40):
            await client.set(f"big {number}", bytes(1024 * 1024), ex=60)
        with pytest.raises(OutOfMemoryError):
            await fill(client)
        assert await client.get("limit") == b"1"
    await redis.stop()


async def test_an_old_redis_that_still_runs_is_stopped_first(directory: DataDirectory) -> None:
    old, new = EmbeddedRedis(directory), EmbeddedRedis(directory)
    await old.start()
    await new.start()
    assert not old.is_running
    async with Redis(**new.login.options()) as client:
        assert await client.ping()
    await new.stop()
