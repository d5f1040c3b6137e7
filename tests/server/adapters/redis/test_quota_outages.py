"""A Redis that is flushed, stopped or killed in mid-load: no window over the limit, no failure, and back by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import AnyRedis, connect_redis
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.quota import Bucket, Mode
from redis.asyncio import Redis

from tests.fakes.redis_processes import PATIENT_MS, RedisProcess
from tests.server.adapters.redis.load import LONG_AGO_US, Load

WINDOW_S = 1.5
LIMIT = 40


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    process = RedisProcess(tmp_path / "redis")
    await process.start()
    yield process
    process.kill()


@pytest.fixture
async def clients(server: RedisProcess) -> AsyncIterator[list[AnyRedis]]:
    opened = [connect_redis(RedisAddress(socket=server.socket)) for _ in range(2)]
    yield opened
    for client in opened:
        await client.aclose()


@pytest.fixture(params=[1, 2], ids=["one_replica", "two_replicas"])
def stores(request: pytest.FixtureRequest, clients: list[AnyRedis]) -> list[RedisQuotaStore]:
    return [
        RedisQuotaStore(one, SystemClock(), replicas=request.param, window_us=int(WINDOW_S * 1e6))
        for one in clients[: request.param]
    ]


async def settled(stores: list[RedisQuotaStore]) -> None:
    """Let one window pass, so that Redis is not young."""
    for store in stores:
        await store.spend("settle", [Bucket("org", 1_000)])
    await stores[0].spend("settle", [Bucket("org", 1_000)], LONG_AGO_US)
    await asyncio.sleep(WINDOW_S + 0.1)


async def recovered(load: Load) -> None:
    """Wait until the shared count decides alone, and then for two windows more."""
    deadline = time.monotonic() + 30
    while any(store.mode is Mode.LOCAL for store in load.stores):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    moment = time.monotonic()
    await asyncio.sleep(2 * WINDOW_S + 0.2)
    assert load.since(moment) >= load.limit


def report(what: str, load: Load) -> None:
    print(
        f"\n{what}, {len(load.stores)} replicas: {len(load.admitted)} admitted, {load.refused} refused, "
        f"most in any window {load.most(WINDOW_S)} of {LIMIT}, slowest {load.slowest_s * 1000:.0f} ms"
    )


async def test_a_redis_that_is_flushed_opens_no_window(stores: list[RedisQuotaStore], server: RedisProcess) -> None:
    await settled(stores)
    async with Load(stores, LIMIT) as load, Redis(unix_socket_path=server.socket) as admin:
        for _ in range(4):
            await asyncio.sleep(WINDOW_S * 0.7)
            await admin.flushall()
        await recovered(load)
    report("flushed", load)
    assert load.most(WINDOW_S) <= LIMIT


async def test_a_redis_that_does_not_move_opens_no_window(stores: list[RedisQuotaStore], server: RedisProcess) -> None:
    await settled(stores)
    async with Load(stores, LIMIT) as load:
        for _ in range(2):
            await asyncio.sleep(WINDOW_S * 0.7)
            server.stop()
            stopped = time.monotonic()
            await asyncio.sleep(WINDOW_S * 1.6)
            assert all(store.mode is Mode.LOCAL for store in stores)
            assert load.since(stopped) > 0
            server.go_on()
        await recovered(load)
    report("stopped", load)
    assert load.most(WINDOW_S) <= LIMIT
    assert Mode.LOCAL in load.modes


async def test_a_redis_that_is_killed_and_starts_empty_opens_no_window(
    stores: list[RedisQuotaStore], server: RedisProcess
) -> None:
    await settled(stores)
    async with Load(stores, LIMIT) as load:
        for away_s in (0.0, WINDOW_S):
            await asyncio.sleep(WINDOW_S * 0.7)
            server.kill()
            await asyncio.sleep(away_s)
            await server.start()
        await recovered(load)
    report("killed", load)
    assert load.most(WINDOW_S) <= LIMIT


async def test_without_redis_from_the_start_each_replica_has_its_share(tmp_path: Path) -> None:
    nowhere = [connect_redis(RedisAddress(socket=str(tmp_path / "none"))) for _ in range(2)]
    stores = [RedisQuotaStore(one, SystemClock(), replicas=2) for one in nowhere]
    for store in stores:
        verdicts = await asyncio.gather(*(store.spend("o", [Bucket("org", 20)]) for _ in range(5)))
        verdicts += [await store.spend("o", [Bucket("org", 20)]) for _ in range(50)]
        assert sum(one.admitted for one in verdicts) == 10
        assert {one.mode for one in verdicts} == {store.mode} == {Mode.LOCAL}


async def test_a_redis_that_is_slow_is_no_outage_where_it_is_given_the_time(server: RedisProcess) -> None:
    client = connect_redis(RedisAddress(socket=server.socket, timeout_ms=PATIENT_MS))
    store = RedisQuotaStore(client, SystemClock(), timeout_us=PATIENT_MS * 1_000)
    server.stop()
    waiting = asyncio.create_task(store.spend("o", [Bucket("org", 5)]))
    await asyncio.sleep(0.7)
    server.go_on()
    assert (await waiting).mode is store.mode is Mode.SHARED
    await client.aclose()


async def test_once_redis_hangs_no_request_waits_for_it(server: RedisProcess, clients: list[AnyRedis]) -> None:
    store = RedisQuotaStore(clients[0], SystemClock())

    async def spend() -> Mode:
        return (await store.spend("o", [Bucket("org", 10_000)])).mode

    while await spend() is Mode.LOCAL:  # noqa: ASYNC110  # a busy machine's Redis may be late
        await asyncio.sleep(0.1)
    server.stop()
    try:
        assert set(await asyncio.gather(*(spend() for _ in range(300)))) == {Mode.LOCAL}
        for _ in range(3):
            store._outage._retry_at_us = 0
            assert await spend() is Mode.LOCAL
            looking = store._outage._look
            assert looking is not None
            # Nothing but the look is waiting; a request that waited would let the loop go round.
            assert {await spend() for _ in range(100)} == {Mode.LOCAL}
            assert store._outage._look is looking
            await looking
            assert store.mode is Mode.LOCAL
    finally:
        server.go_on()
    store._outage._retry_at_us = 0
    await spend()
    assert store._outage._look is not None
    await store._outage._look
    assert await spend() is store.mode is Mode.SHARED
