"""``ports.sign_in.SignInAttempts``: what every implementation promises."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.attempts import RedisSignInAttempts
from governlayer_server.adapters.redis.connect import connect_redis
from governlayer_server.adapters.redis.local_attempts import LocalSignInAttempts
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.sign_in_throttle import Bucket, Counts
from governlayer_server.ports.sign_in import SignInAttempts

LONG_S = 3600


@pytest.fixture(params=["fake", "real", "away"])
def attempts(request: pytest.FixtureRequest, tmp_path: Path) -> SignInAttempts:
    local = LocalSignInAttempts(SystemClock())
    if request.param == "fake":
        return local
    away = request.param == "away"
    redis = connect_redis(RedisAddress(socket=str(tmp_path / "none"))) if away else request.getfixturevalue("redis")
    return RedisSignInAttempts(redis, local, Outage(redis, SystemClock()))


def bucket(limit: int, window_s: int = LONG_S) -> Bucket:
    return Bucket(name=f"test/{uuid4()}", limit=limit, window_s=window_s, counts=Counts.FAILURES)


async def test_as_many_as_the_limit_are_admitted_and_not_one_more(attempts: SignInAttempts) -> None:
    few = bucket(3)
    waits = [await attempts.spend(uuid4(), [few]) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert all(0 < wait <= LONG_S for wait in waits[3:])


async def test_a_refused_attempt_spends_from_none(attempts: SignInAttempts) -> None:
    full, other = bucket(1), bucket(2)
    assert await attempts.spend(uuid4(), [full]) == 0
    for _ in range(5):
        assert await attempts.spend(uuid4(), [other, full]) > 0
    assert [await attempts.spend(uuid4(), [other]) == 0 for _ in range(3)] == [True, True, False]


async def test_the_longest_wait_is_told(attempts: SignInAttempts) -> None:
    short, long = bucket(1, 60), bucket(1, 600)
    assert await attempts.spend(uuid4(), [short, long]) == 0
    assert 60 < await attempts.spend(uuid4(), [short, long]) <= 600
    assert 0 < await attempts.spend(uuid4(), [short]) <= 60


async def test_what_is_given_back_counts_no_longer_and_only_there(attempts: SignInAttempts) -> None:
    one, other, mine = bucket(1), bucket(1), uuid4()
    assert await attempts.spend(mine, [one, other]) == 0
    await attempts.give_back(uuid4(), [one])
    assert await attempts.spend(uuid4(), [one]) > 0
    await attempts.give_back(mine, [one])
    assert await attempts.spend(uuid4(), [one]) == 0
    assert await attempts.spend(uuid4(), [other]) > 0
    await attempts.give_back(mine, [bucket(1)])


async def test_a_window_ends_by_itself(attempts: SignInAttempts) -> None:
    brief = bucket(2, 1)
    for _ in range(2):
        assert await attempts.spend(uuid4(), [brief]) == 0
    async with asyncio.timeout(30):
        while await attempts.spend(uuid4(), [brief]):  # noqa: ASYNC110  # nothing tells when the time is over
            await asyncio.sleep(0.05)


async def test_of_many_at_once_the_limit_is_admitted(attempts: SignInAttempts) -> None:
    few = bucket(5)
    waits = await asyncio.gather(*(attempts.spend(UUID(int=number + 1), [few]) for number in range(40)))
    assert waits.count(0) == 5


async def test_memory_is_bounded_and_those_go_that_were_spent_from_the_longest_ago() -> None:
    local = LocalSignInAttempts(SystemClock(), max_buckets=3)
    first, *others = (bucket(1) for _ in range(4))
    for one in (first, *others):
        assert await local.spend(uuid4(), [one]) == 0
    assert len(local._spent) == 3
    assert await local.spend(uuid4(), [others[-1]]) > 0
    assert await local.spend(uuid4(), [first]) == 0
