"""What one part of a replica sees of an outage of Redis, all know: nobody else waits for it, and all come back."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.redis.address import RedisAddress
from governlayer_server.adapters.redis.attempts import RedisSignInAttempts
from governlayer_server.adapters.redis.connect import AnyRedis, connect_redis
from governlayer_server.adapters.redis.local_attempts import LocalSignInAttempts
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.adapters.redis.running_requests import RedisRunningRequests
from governlayer_server.adapters.system import SystemClock
from governlayer_server.domain.errors import IdempotencyInProgress
from governlayer_server.domain.quota import Bucket, Mode
from governlayer_server.domain.sign_in_throttle import Bucket as SignInBucket
from governlayer_server.domain.sign_in_throttle import Counts

from tests.fakes.clock import FakeEntropy
from tests.fakes.redis_processes import RedisProcess

FEW = SignInBucket(name="test/outage", limit=1_000, window_s=60, counts=Counts.FAILURES)
ORGANIZATION, KEY = UUID(int=1), b"k" * 32


class Asked:
    """A client that counts what it is asked, whatever the answer."""

    def __init__(self, redis: AnyRedis) -> None:
        self._redis = redis
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        if name != "ping":
            self.count += 1
        return getattr(self._redis, name)


class Replica:
    def __init__(self, redis: AnyRedis) -> None:
        clock, self.redis = SystemClock(), Asked(redis)
        client: Any = self.redis
        self.outage = Outage(client, clock)
        self.quotas = RedisQuotaStore(client, clock, outage=self.outage)
        self.attempts = RedisSignInAttempts(client, LocalSignInAttempts(clock), self.outage)
        self.running = RedisRunningRequests(client, FakeEntropy(), self.outage)

    async def limit(self) -> None:
        assert (await self.quotas.spend("o", [Bucket("org", 10_000)])).admitted

    async def sign_in(self) -> None:
        attempt = uuid4()
        assert await self.attempts.spend(attempt, [FEW]) == 0
        await self.attempts.give_back(attempt, [FEW])

    async def claim(self, key: bytes = KEY) -> None:
        async with self.running.claim(ORGANIZATION, key):
            pass


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    process = RedisProcess(tmp_path / "redis")
    await process.start()
    yield process
    process.kill()


@pytest.fixture
async def replica(server: RedisProcess) -> AsyncIterator[Replica]:
    client = connect_redis(RedisAddress(socket=server.socket))
    yield Replica(client)
    await client.aclose()


@pytest.mark.parametrize("first", ["limit", "sign_in", "claim"])
async def test_once_one_part_saw_it_no_other_asks(replica: Replica, server: RedisProcess, first: str) -> None:
    for part in ("limit", "sign_in", "claim"):
        await getattr(replica, part)()
    assert not replica.outage.is_known
    server.stop()
    try:
        await getattr(replica, first)()
        assert replica.outage.is_known
        asked = replica.redis.count
        # Looks go on meanwhile; they ask by ping alone.
        for _ in range(20):
            replica.outage._retry_at_us = 0
            for part in ("limit", "sign_in", "claim"):
                await getattr(replica, part)()
        assert replica.redis.count == asked
        assert replica.quotas.mode is Mode.LOCAL
    finally:
        server.go_on()
    looking = replica.outage._look
    if looking is not None:
        await looking
    await replica.outage.look()
    assert not replica.outage.is_known
    # Another key: what Redis was asked before it stopped it does once it goes on, and holds the first for 10 seconds.
    async with replica.running.claim(ORGANIZATION, b"other"):
        with pytest.raises(IdempotencyInProgress):
            await replica.claim(b"other")
    await replica.sign_in()
    await replica.limit()
    assert replica.quotas.mode is Mode.SHARED


async def test_a_claim_that_redis_did_not_survive_ends_by_itself(replica: Replica, server: RedisProcess) -> None:
    async with replica.running.claim(ORGANIZATION, KEY):
        server.kill()
    assert replica.outage.is_known


async def test_an_attempt_that_redis_did_not_count_tells_all(replica: Replica, server: RedisProcess) -> None:
    server.kill()
    assert await replica.attempts.spend(uuid4(), [FEW]) == 0
    assert replica.outage.is_known
