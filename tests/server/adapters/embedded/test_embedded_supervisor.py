"""The supervisor: both servers up, a dead one brought back, everything down at the end."""

import asyncio
import os
import signal

import asyncpg
import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import StartError
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.embedded.supervisor import Event, Supervisor
from redis.asyncio import Redis

from tests.server.adapters.embedded.watching import processes_of, programs_of, reach


class FakeService:
    """A server whose starts fail as told, and which dies when told."""

    name = "fake"

    def __init__(self, failures: list[bool]) -> None:
        self.failures = failures
        self.calls: list[str] = []
        self.death = asyncio.Event()

    async def start(self) -> None:
        self.calls.append("start")
        self.death.clear()
        if self.failures and self.failures.pop(0):
            raise StartError("not today")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def wait(self) -> str:
        await self.death.wait()
        return "killed"

    def bound_log(self) -> None:
        self.calls.append("bound")


async def test_killed_servers_come_back_and_stop_ends_both(used: DataDirectory) -> None:
    events: list[Event] = []
    postgres, redis = EmbeddedPostgres(used), EmbeddedRedis(used)
    supervisor = Supervisor([postgres, redis], events.append)
    await supervisor.start()
    connection = await asyncpg.connect(**postgres.owner.options())
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    for pid in [pid for pids in programs_of(used.path).values() for pid in pids]:
        os.kill(pid, signal.SIGKILL)
    await reach(lambda: [event.kind for event in events].count("started") == 4)
    connection.terminate()
    again = await asyncpg.connect(**postgres.owner.options())
    assert await again.fetchval("SELECT n FROM kept") == 7
    await again.close()
    async with Redis(**redis.login.options()) as client:
        assert await client.ping()
    await supervisor.stop()
    assert processes_of(used.path) == []
    assert {(event.service, event.detail) for event in events if event.kind == "died"} == {
        ("postgres", "killed by SIGKILL"),
        ("redis", "killed by SIGKILL"),
    }
    assert [(event.service, event.kind) for event in events][-2:] == [("redis", "stopped"), ("postgres", "stopped")]


async def test_it_tries_again_with_growing_pauses_until_it_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    yield_to_others = asyncio.sleep

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        await yield_to_others(0 if pause_s < 30 else 3600)

    monkeypatch.setattr("governlayer_server.adapters.embedded.supervisor.asyncio.sleep", sleep)
    events: list[Event] = []
    service = FakeService([False, *[True] * 7, False])
    supervisor = Supervisor([service], events.append)
    await supervisor.start()
    service.death.set()
    while [event.kind for event in events].count("started") < 2:
        await yield_to_others(0)
    await supervisor.stop()
    assert [pause_s for pause_s in pauses if pause_s < 30] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert [event.kind for event in events] == ["started", "died", *["start_failed"] * 7, "started", "stopped"]
    assert events[2].detail == "not today"


async def test_when_one_does_not_start_the_others_are_stopped_again() -> None:
    good, bad = FakeService([]), FakeService([True])
    with pytest.raises(StartError, match="not today"):
        await Supervisor([good, bad], lambda event: None).start()
    assert good.calls == bad.calls == ["start", "stop"]


@pytest.mark.parametrize("pause_s", [0.0, 0.1, 0.4])
async def test_stop_in_the_middle_of_a_start_waits_until_nothing_is_left(
    directory: DataDirectory, pause_s: float
) -> None:
    events: list[Event] = []
    supervisor = Supervisor([EmbeddedPostgres(directory), EmbeddedRedis(directory)], events.append)
    starting = asyncio.create_task(supervisor.start())
    await asyncio.sleep(pause_s)
    starting.cancel()
    await supervisor.stop()
    assert programs_of(directory.path).keys() <= {"postgres"}  # a single-user server of initdb may still end
    with pytest.raises(asyncio.CancelledError):
        await starting
    kinds = [(event.service, event.kind) for event in events]
    assert all(kinds.count((name, "started")) == kinds.count((name, "stopped")) for name in ("postgres", "redis"))
    await supervisor.start()
    await supervisor.stop()


async def test_after_stop_a_death_is_not_answered() -> None:
    service = FakeService([])
    supervisor = Supervisor([service], lambda event: None)
    await supervisor.start()
    await supervisor.stop()
    service.death.set()
    await asyncio.sleep(0.3)
    assert service.calls == ["start", "stop"]
