"""The Lua script against the arithmetic, on a clock that the test sets; and on Redis's own clock under load."""

import asyncio
import time
from hashlib import sha1
from uuid import uuid4

import pytest
from governlayer_server.adapters.redis import quota
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.quota import Bucket, Mode
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from tests.fakes.clock import FakeClock
from tests.fakes.quota_store import MemoryQuotaStore
from tests.fakes.servers import Servers

W = 1_000_000
START = 1_795_456_800_000_000
CLOCK = "local test = redis.call('GET', 'test:clock'); local clock = { 0, test }"
STEPS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(0, W + 2), st.sampled_from([W - 1, W, W + 1])),
        st.integers(1, 5),
        st.integers(1, 8),
        st.sampled_from("ab"),
    ),
    max_size=40,
)


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script reads its time from a key instead of from the server."""
    script = quota._SCRIPT.replace("local clock = redis.call('TIME')", CLOCK)
    assert script != quota._SCRIPT
    monkeypatch.setattr(quota, "_SCRIPT", script)
    monkeypatch.setattr(quota, "_SHA", sha1(script.encode()).hexdigest())


class Machine:
    """A store over the real Redis with clocks that the test sets; each of its clocks is also the other's."""

    def __init__(self, redis: Redis, window_us: int = W, replicas: int = 1) -> None:
        self.redis = redis
        self.clock = FakeClock(START)
        self.clock.monotonic_us = self.clock.now_us  # type: ignore[method-assign]
        self.store = RedisQuotaStore(redis, self.clock, window_us=window_us, replicas=replicas)
        self.owner = str(uuid4())

    async def at(self, time_us: int, shared_us: int | None = None) -> None:
        self.clock.time_us = time_us
        await self.redis.set("test:clock", time_us if shared_us is None else shared_us)

    async def admitted(self, limit: int = 3, created_us: int | None = None) -> bool:
        return (await self.store.spend(self.owner, [Bucket("org", limit)], created_us)).admitted


def client_of(servers: Servers) -> Redis:
    login = servers.redis
    address = RedisAddress(socket=login.socket, user=login.user, password=login.password, timeout_ms=5_000)
    client = connect_redis(address)
    assert isinstance(client, Redis)
    return client


@pytest.mark.usefixtures("set_clock")
def test_the_script_and_the_arithmetic_agree(servers: Servers) -> None:
    @settings(max_examples=150)
    @given(STEPS)
    def agree(steps: list[tuple[int, int, int, str]]) -> None:
        asyncio.run(compare(steps))

    async def compare(steps: list[tuple[int, int, int, str]]) -> None:
        async with client_of(servers) as redis:
            machine, now = Machine(redis), START
            model = MemoryQuotaStore(machine.clock, W)
            for gap, of_key, of_org, key in steps:
                now += gap
                await machine.at(now)
                buckets = [Bucket("key", of_key, key), Bucket("org", of_org)]
                found, expected = await machine.store.spend(machine.owner, buckets), await model.spend("x", buckets)
                assert (found.admitted, found.standings) == (expected.admitted, expected.standings)

    agree()


@pytest.mark.usefixtures("set_clock")
async def test_a_clock_that_is_set_back_opens_no_window_and_closes_none_for_longer_than_one(redis: Redis) -> None:
    machine, hour = Machine(redis), 3_600_000_000
    await machine.at(START)
    assert [await machine.admitted() for _ in range(4)] == [True, True, True, False]
    await machine.at(START + 10, START - hour)
    assert not await machine.admitted()
    await machine.at(START + W, START - hour + W - 1)
    assert not await machine.admitted()
    await machine.at(START + W + 1, START - hour + W)
    assert [await machine.admitted() for _ in range(4)] == [True, True, True, False]


@pytest.mark.usefixtures("set_clock")
async def test_a_redis_that_lost_its_memory_is_not_believed_for_one_window(redis: Redis) -> None:
    machine, old = Machine(redis), START - 10 * W
    await machine.at(START)
    await redis.delete("quota:epoch")
    assert [await machine.admitted(3, old) for _ in range(4)] == [True, True, True, False]
    await redis.delete("quota:epoch", f"{{{machine.owner}}}:quota:org")
    assert not await machine.admitted(3, old)
    await machine.at(START + W - 1)
    assert not await machine.admitted(3, old)
    await machine.at(START + W)
    assert [await machine.admitted(3, old) for _ in range(4)] == [True, True, True, False]


@pytest.mark.usefixtures("set_clock")
async def test_of_a_young_redis_each_replica_takes_its_share(redis: Redis) -> None:
    first, second = Machine(redis, replicas=2), Machine(redis, replicas=2)
    second.owner, old = first.owner, START - 10 * W
    await first.at(START)
    await second.at(START)
    await redis.delete("quota:epoch")
    assert [await first.admitted(6, old) for _ in range(4)] == [True, True, True, False]
    assert (await first.store.spend(first.owner, [Bucket("org", 6)], old)).mode is Mode.LOCAL
    assert [await second.admitted(6, old) for _ in range(4)] == [True, True, True, False]
    for machine in (first, second):
        await machine.at(START + W + 1)
    verdicts = [await first.store.spend(first.owner, [Bucket("org", 6)], old) for _ in range(7)]
    assert [one.admitted for one in verdicts] == [True] * 6 + [False]
    assert {one.mode for one in verdicts} == {Mode.SHARED}


@pytest.mark.usefixtures("set_clock")
async def test_an_organization_that_is_new_gets_all_of_its_limit_at_one_replica(redis: Redis) -> None:
    machine = Machine(redis, replicas=2)
    await machine.at(START)
    await redis.delete("quota:epoch")
    assert [await machine.admitted(6, START - W + 1) for _ in range(7)] == [True] * 6 + [False]
    await redis.delete("quota:epoch", f"{{{machine.owner}}}:quota:org")
    assert not await machine.admitted(6, START - W + 1)


@pytest.mark.usefixtures("set_clock")
async def test_a_question_that_nobody_waits_for_any_more_costs_nothing(redis: Redis) -> None:
    machine = Machine(redis)
    await machine.at(START)
    assert await machine.admitted(5)
    key = f"{{{machine.owner}}}:quota:org"
    late = START + quota.TIMEOUT_US + 1
    reply = await redis.evalsha(quota._SHA, 2, "quota:epoch", key, W, -1, late - 1, 1, 1, 0, 5, 0)
    assert reply[0] == 1
    await redis.set("test:clock", late)
    reply = await redis.evalsha(quota._SHA, 2, "quota:epoch", key, W, -1, late - 1, 1, 1, 0, 5, 0)
    assert reply == [-1, late]
    assert await redis.llen(key) == 2
    # Redis's clock ran ahead of the estimate: asked once more, on the new one.
    await machine.at(START + 10, START + 500_000)
    assert await machine.admitted(5)
    assert await redis.llen(key) == 3


@pytest.mark.usefixtures("set_clock")
async def test_what_was_admitted_alone_is_told_later(redis: Redis) -> None:
    machine = Machine(redis)
    await machine.at(START)
    assert await machine.admitted(5)
    machine.store._decide_alone([])
    await machine.at(START + 100)
    assert await machine.admitted(5)
    await machine.at(START + 200)
    assert await machine.admitted(5)
    await machine.store._outage.look()
    await machine.at(START + 300)
    assert await machine.admitted(5)
    times = [int(one) for one in await redis.lrange(f"{{{machine.owner}}}:quota:org", 0, -1)]
    assert times == [START + 300, START + 200, START + 100, START]


async def test_nothing_outlives_its_window_in_redis(redis: Redis) -> None:
    store, mine = RedisQuotaStore(redis, SystemClock(), window_us=200_000), str(uuid4())
    await store.spend(mine, [Bucket("key", 5, "k"), Bucket("org", 5)])
    for name in ("org", "key:k"):
        assert 0 < await redis.pttl(f"{{{mine}}}:quota:{name}") <= 1_300


async def test_over_two_stores_and_ten_keys_admitted_equals_the_limit_over_the_edges_of_windows(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    push = "redis.call('LPUSH', key, now)"
    script = quota._SCRIPT.replace(push, f"{push}; redis.call('RPUSH', key .. ':all', now)")
    assert script != quota._SCRIPT
    monkeypatch.setattr(quota, "_SCRIPT", script)
    monkeypatch.setattr(quota, "_SHA", sha1(script.encode()).hexdigest())
    window_us, limit, windows = 500_000, 100, 6
    clients = [client_of(servers), client_of(servers)]
    patience: dict[str, int] = {"timeout_us": 5_000_000}  # what a busy machine needs is no outage
    stores = [RedisQuotaStore(one, SystemClock(), replicas=2, window_us=window_us, **patience) for one in clients]
    mine, started = str(uuid4()), time.monotonic()
    answers = {True: 0, False: 0}

    async def ask(number: int) -> None:
        while time.monotonic() - started < windows * window_us / 1e6:
            buckets = [Bucket("key", limit, str(number % 10)), Bucket("org", limit)]
            verdict = await stores[number % 2].spend(mine, buckets, time.time_ns() // 1000)
            answers[verdict.admitted] += 1

    await asyncio.gather(*(ask(number) for number in range(300)))
    times = [int(one) for one in await clients[0].lrange(f"{{{mine}}}:quota:org:all", 0, -1)]
    assert len(times) == answers[True]
    most = max(
        sum(start <= one < start + window_us for one in times[n : n + limit + 1]) for n, start in enumerate(times)
    )
    print(f"\n{answers[True]} admitted, {answers[False]} refused, {windows} windows; most in any window: {most}")
    assert most == limit
    assert len(times) > limit
    for client in clients:
        await client.aclose()
