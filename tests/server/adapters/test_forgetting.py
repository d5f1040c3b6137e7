"""What is told to be forgotten is heard: after idle times, with a full pool, after Redis is away and back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.redis import forgetting
from governlayer_server.adapters.redis.forgetting import RedisForgetting
from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection

TIMEOUT_S = 0.3
LIMIT_S = 20.0


class Ear:
    """What one replica hears."""

    def __init__(self, embedded: EmbeddedRedis, connections: int = 4) -> None:
        login = embedded.login
        # As wiring makes it: few connections, short patience.
        self.redis = Redis(
            connection_pool=BlockingConnectionPool(
                connection_class=UnixDomainSocketConnection, path=login.socket, username=login.user,
                password=login.password, max_connections=connections, timeout=TIMEOUT_S, socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
            )
        )  # fmt: skip
        self.forgetting = RedisForgetting(self.redis)
        self.heard: list[UUID | None] = []
        self._task = asyncio.create_task(self.forgetting.listen(self.heard.append))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                assert not self._task.done(), self._task
                await asyncio.sleep(0.01)

    async def hears(self, organization_id: UUID | None) -> None:
        await self.until(lambda: organization_id in self.heard)

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(LIMIT_S):
                await self._task
        await self.redis.aclose()


@pytest.fixture
async def embedded(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> AsyncIterator[EmbeddedRedis]:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    directory = DataDirectory.open(tmp_path / "data")
    with directory.lock():
        server = EmbeddedRedis(directory)
        await server.start()
        yield server
        await server.stop()


@pytest.fixture
async def ears(embedded: EmbeddedRedis) -> AsyncIterator[list[Ear]]:
    """Two replicas that have subscribed."""
    both = [Ear(embedded), Ear(embedded)]
    for one in both:
        await one.hears(None)
        one.heard.clear()
    yield both
    for one in both:
        await one.close()


async def told(ears: list[Ear]) -> None:
    """One tells; both must hear it, and nothing else."""
    organization_id = uuid4()
    await ears[0].forgetting.forget(organization_id)
    for one in ears:
        await one.hears(organization_id)


async def test_every_replica_hears_whom_to_forget_and_the_one_that_tells_too(ears: list[Ear]) -> None:
    await told(ears)
    assert all(None not in one.heard for one in ears)


async def test_an_idle_subscription_stays_one(ears: list[Ear], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the timeout of the socket nor a quiet channel ends it: nothing is missed, nothing forgotten in vain."""
    monkeypatch.setattr(forgetting, "_IDLE_S", 0.1)
    await asyncio.sleep(8 * TIMEOUT_S)
    await told(ears)
    assert all(None not in one.heard for one in ears)


async def test_a_full_pool_keeps_nobody_from_hearing(embedded: EmbeddedRedis) -> None:
    one = Ear(embedded, connections=2)
    try:
        await one.hears(None)
        held = [await one.redis.connection_pool.get_connection() for _ in range(2)]
        other = Ear(embedded)
        await other.hears(None)
        await told([other, one])
        await other.close()
        for connection in held:
            await one.redis.connection_pool.release(connection)
    finally:
        await one.close()


async def test_a_restart_makes_all_be_forgotten_and_is_heard_through(ears: list[Ear], embedded: EmbeddedRedis) -> None:
    await embedded.stop()
    for one in ears:
        await one.hears(None)
    await ears[0].forgetting.forget(uuid4())  # to nobody, and without an error
    await embedded.start()
    subscribed = [one.heard.count(None) for one in ears]
    for one, before in zip(ears, subscribed, strict=True):
        await one.until(lambda one=one, before=before: one.heard.count(None) > before or one.heard.count(None) > 1)

    async def both_hear() -> bool:
        organization_id = uuid4()
        await ears[0].forgetting.forget(organization_id)
        await asyncio.sleep(0.1)
        return all(organization_id in one.heard for one in ears)

    async with asyncio.timeout(LIMIT_S):
        while not await both_hear():
            pass


async def test_a_silent_server_is_noticed(
    ears: list[Ear], embedded: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_IDLE_S", 0.1)
    child = embedded._child
    assert child is not None
    os.kill(child.pid, signal.SIGSTOP)
    try:
        for one in ears:
            await one.hears(None)
        await ears[0].forgetting.forget(uuid4())  # gives up
    finally:
        os.kill(child.pid, signal.SIGCONT)


async def test_what_is_no_id_makes_all_be_forgotten(ears: list[Ear]) -> None:
    for junk in (b"junk", b"\xff", b""):
        for one in ears:
            one.heard.clear()
        await ears[0].redis.publish("governlayer:forget", junk)
        for one in ears:
            await one.hears(None)
    await told(ears)


async def test_a_cancellation_ends_it_whenever_it_comes(embedded: EmbeddedRedis) -> None:
    for number in range(40):
        one = Ear(embedded)
        await asyncio.sleep(0.0002 * number)
        await one.close()
