"""Redis behind Sentinel: found, followed through a failover under load, and never over the limit."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.redis.running_requests import redis_answers
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.quota import Bucket, Mode
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.fakes.redis_processes import RedisProcess, free_ports
from tests.server.adapters.redis.load import Load

PASSWORD, WATCHWORD = "of-the-servers", "of-the-sentinel"
WINDOW_S, LIMIT = 1.5, 40


class Watched:
    """A master, its replica and one Sentinel, with passwords."""

    def __init__(self, home: Path) -> None:
        first, second, third = free_ports(3)
        passwords = [f"requirepass {PASSWORD}", f"masterauth {PASSWORD}"]
        self.master = RedisProcess(home / "master", passwords, port=first)
        self.replica = RedisProcess(home / "replica", [*passwords, f"replicaof 127.0.0.1 {first}"], port=second)
        watch = [
            f"requirepass {WATCHWORD}",
            f"sentinel monitor main 127.0.0.1 {first} 1",
            f"sentinel auth-pass main {PASSWORD}",
            "sentinel down-after-milliseconds main 500",
            "sentinel failover-timeout main 3000",
        ]
        self.sentinel = RedisProcess(home / "sentinel", watch, port=third, arguments=["--sentinel"])
        self.address = RedisAddress(
            sentinels=(("127.0.0.1", third),),
            master="main",
            password=PASSWORD,
            sentinel_password=WATCHWORD,
            tls=False,
        )

    async def start(self) -> None:
        for one in (self.master, self.replica):
            await one.start(unix_socket_path=one.socket, password=PASSWORD)
        await self.sentinel.start(port=self.sentinel.port, password=WATCHWORD)
        async with Redis(port=self.sentinel.port, password=WATCHWORD) as watching:
            await eventually(lambda: self._knows_its_replica(watching))

    async def _knows_its_replica(self, watching: Redis) -> bool:
        found = await watching.execute_command("SENTINEL", "REPLICAS", "main")
        return len(found) == 1 and "slave" in repr(found)

    def kill(self) -> None:
        for one in (self.sentinel, self.replica, self.master):
            one.kill()


async def eventually(condition: object, limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while True:
        with suppress(RedisError, OSError):
            if await condition():  # type: ignore[operator]
                return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def is_shared(store: RedisQuotaStore) -> bool:
    return (await store.spend("o", [Bucket("org", 1_000)])).mode is Mode.SHARED


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        made.kill()


async def test_the_limits_hold_through_a_failover(watched: Watched) -> None:
    clients = [connect_redis(watched.address) for _ in range(2)]
    stores = [RedisQuotaStore(one, SystemClock(), replicas=2, window_us=int(WINDOW_S * 1e6)) for one in clients]
    for store in stores:
        await eventually(lambda store=store: is_shared(store))
    await stores[0].spend("settle", [Bucket("org", 5)], 1)
    await asyncio.sleep(WINDOW_S + 0.1)
    async with Load(stores, LIMIT) as load:
        await asyncio.sleep(WINDOW_S * 0.7)
        watched.master.kill()
        await eventually(lambda: redis_answers(clients[0]))
        await asyncio.sleep(0.5)
        deadline = time.monotonic() + 30
        while any(store.mode is Mode.LOCAL for store in stores):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        moment = time.monotonic()
        await asyncio.sleep(2 * WINDOW_S)
    print(f"\nfailover: {len(load.admitted)} admitted, most in any window {load.most(WINDOW_S)} of {LIMIT}")
    assert load.most(WINDOW_S) <= LIMIT
    assert load.since(moment) >= LIMIT
    assert load.modes == {Mode.LOCAL, Mode.SHARED}
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize("change", [{"password": "other"}, {"sentinel_password": "other"}, {"master": "other"}])
async def test_with_a_wrong_password_or_name_this_replica_counts_alone(
    watched: Watched, change: dict[str, str]
) -> None:
    client = connect_redis(replace(watched.address, **change))
    store = RedisQuotaStore(client, SystemClock(), replicas=2)
    assert (await store.spend("o", [Bucket("org", 20)])).standings[0].remaining == 9
    assert store.mode is Mode.LOCAL
    assert not await redis_answers(client)
    await client.aclose()


async def test_more_requests_at_once_than_connections_wait_for_one(watched: Watched) -> None:
    client = connect_redis(watched.address)
    found = await asyncio.gather(*(client.incr("count") for _ in range(200)))
    assert sorted(found) == list(range(1, 201))
    await client.aclose()
