"""``ports.QuotaStore``: what every implementation promises."""

import asyncio
from uuid import uuid4

import pytest
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.quota import Bucket, Mode, Verdict
from governlayer_server.ports import QuotaStore

from tests.fakes.clock import FakeClock
from tests.fakes.quota_store import MemoryQuotaStore

MINUTE_US = 60_000_000


@pytest.fixture(params=["fake", "real"])
def quotas(request: pytest.FixtureRequest, clock: FakeClock) -> QuotaStore:
    if request.param == "fake":
        return MemoryQuotaStore(clock)
    return RedisQuotaStore(request.getfixturevalue("redis"), SystemClock(), timeout_us=5_000_000)


def owner() -> str:
    return str(uuid4())


def left(verdict: Verdict) -> list[int]:
    return [one.remaining for one in verdict.standings]


async def test_as_many_as_the_limit_are_admitted_and_no_more(quotas: QuotaStore) -> None:
    mine, bucket = owner(), [Bucket("org", 20)]
    verdicts = [await quotas.spend(mine, bucket) for _ in range(25)]
    assert [one.admitted for one in verdicts] == [True] * 20 + [False] * 5
    assert [left(one) for one in verdicts] == [[max(0, 19 - n)] for n in range(25)]
    assert all(0 < one.standings[0].reset_us <= MINUTE_US for one in verdicts)
    assert {one.mode for one in verdicts} == {quotas.mode} == {Mode.SHARED}
    assert [one.retry_after_s for one in verdicts[20:]] == [60] * 5
    assert [one.name for one in verdicts[-1].refused] == ["org"]


async def test_a_refused_request_spends_from_no_bucket(quotas: QuotaStore) -> None:
    mine = owner()
    for _ in range(10):
        await quotas.spend(mine, [Bucket("key", 2, "a"), Bucket("org", 5)])
    refused = await quotas.spend(mine, [Bucket("key", 2, "a"), Bucket("org", 5)])
    assert (refused.admitted, left(refused), [one.name for one in refused.refused]) == (False, [0, 3], ["key"])
    others = [await quotas.spend(mine, [Bucket("key", 9, "b"), Bucket("org", 5)]) for _ in range(4)]
    assert [one.admitted for one in others] == [True, True, True, False]
    assert left(others[-1]) == [6, 0]
    assert [one.name for one in others[-1].refused] == ["org"]


async def test_owners_and_keys_are_apart(quotas: QuotaStore) -> None:
    for mine in (owner(), owner()):
        for key in ("a", "b"):
            verdicts = [await quotas.spend(mine, [Bucket("key", 2, key), Bucket("org", 4)]) for _ in range(3)]
            assert [one.admitted for one in verdicts] == [True, True, False]


async def test_a_limit_that_changes_counts_at_once(quotas: QuotaStore) -> None:
    mine = owner()

    async def admitted(limit: int, count: int = 1) -> list[bool]:
        return [(await quotas.spend(mine, [Bucket("org", limit)])).admitted for _ in range(count)]

    assert await admitted(5, 5) == [True] * 5
    assert await admitted(3) == [False]
    assert await admitted(7, 3) == [True, True, False]
    overdrawn = await quotas.spend(mine, [Bucket("org", 2)])
    assert (overdrawn.admitted, left(overdrawn)) == (False, [0])


async def test_of_many_at_once_as_many_as_the_limit_are_admitted(quotas: QuotaStore) -> None:
    mine = owner()
    verdicts = await asyncio.gather(
        *(quotas.spend(mine, [Bucket("key", 25, str(n % 10)), Bucket("org", 100)]) for n in range(300))
    )
    assert sum(one.admitted for one in verdicts) == 100


async def test_who_gives_up_waiting_harms_nobody(quotas: QuotaStore) -> None:
    mine = owner()
    waiting = [asyncio.create_task(quotas.spend(mine, [Bucket("org", 50)])) for _ in range(40)]
    await asyncio.sleep(0)
    for one in waiting[::2]:
        one.cancel()
    verdicts = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(one, Verdict) for one in verdicts) >= 20
    assert (await quotas.spend(mine, [Bucket("org", 50)])).admitted
