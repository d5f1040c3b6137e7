"""``ports.RunningRequests``: what every implementation promises."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from governlayer_server.adapters.redis import running_requests
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.adapters.redis.connect import connect_redis as client_of
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.adapters.redis.running_requests import RedisRunningRequests, redis_answers
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.errors import IdempotencyInProgress
from governlayer_server.ports import RunningRequests
from redis.asyncio import Redis

from tests.fakes.clock import FakeEntropy
from tests.fakes.running_requests import MemoryRunningRequests

KEY = b"k" * 32


def over(redis: AnyRedis) -> RedisRunningRequests:
    return RedisRunningRequests(redis, FakeEntropy(), Outage(redis, SystemClock()))


@pytest.fixture(params=["fake", "real"])
def running(request: pytest.FixtureRequest) -> RunningRequests:
    if request.param == "fake":
        return MemoryRunningRequests()
    return over(request.getfixturevalue("redis"))


@pytest.fixture(params=["fake", "real"])
def without_store(request: pytest.FixtureRequest, tmp_path: Path) -> RunningRequests:
    if request.param == "fake":
        fake = MemoryRunningRequests()
        fake.away = True
        return fake
    return over(client_of(RedisAddress(socket=str(tmp_path / "none"))))


async def test_a_key_that_is_held_is_refused_and_free_again_afterwards(running: RunningRequests) -> None:
    organization = uuid4()
    for _ in range(2):
        async with running.claim(organization, KEY):
            with pytest.raises(IdempotencyInProgress):
                async with running.claim(organization, KEY):
                    pytest.fail("the key was held twice")


async def test_a_refused_claim_does_not_free_the_key(running: RunningRequests) -> None:
    organization = uuid4()
    async with running.claim(organization, KEY):
        for _ in range(3):
            with pytest.raises(IdempotencyInProgress):
                async with running.claim(organization, KEY):
                    pytest.fail("the key was held twice")


async def test_another_key_and_another_organization_are_not_in_the_way(running: RunningRequests) -> None:
    organization = uuid4()
    async with running.claim(organization, KEY), running.claim(organization, b"other"), running.claim(uuid4(), KEY):
        pass


async def test_a_failure_inside_frees_the_key_and_comes_out(running: RunningRequests) -> None:
    organization = uuid4()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with running.claim(organization, KEY):
                raise ZeroDivisionError


async def test_of_many_at_once_one_holds_the_key(running: RunningRequests) -> None:
    organization, held, refused = uuid4(), 0, 0
    release = asyncio.Event()

    async def attempt() -> None:
        nonlocal held, refused
        try:
            async with running.claim(organization, KEY):
                held += 1
                await release.wait()
        except IdempotencyInProgress:
            refused += 1
            if refused == 9:
                release.set()

    await asyncio.wait_for(asyncio.gather(*(attempt() for _ in range(10))), 10)
    assert (held, refused) == (1, 9)


async def test_without_a_store_the_work_goes_on(without_store: RunningRequests) -> None:
    organization, reached = uuid4(), False
    async with without_store.claim(organization, KEY), without_store.claim(organization, KEY):
        reached = True
    assert reached
    with pytest.raises(ZeroDivisionError):
        async with without_store.claim(organization, KEY):
            raise ZeroDivisionError


async def test_who_outlived_its_claim_does_not_free_the_next_holders(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, organization = over(redis), uuid4()
    monkeypatch.setattr(running_requests, "_LIFE_MS", 30)
    late = running.claim(organization, KEY)
    await late.__aenter__()
    await asyncio.sleep(0.06)
    monkeypatch.setattr(running_requests, "_LIFE_MS", 10_000)
    async with running.claim(organization, KEY):
        await late.__aexit__(None, None, None)
        with pytest.raises(IdempotencyInProgress):
            async with running.claim(organization, KEY):
                pytest.fail("the key was held twice")


async def test_whether_redis_answers_is_told(redis: Redis, tmp_path: Path) -> None:
    assert await redis_answers(redis)
    assert not await redis_answers(client_of(RedisAddress(socket=str(tmp_path / "none"))))
