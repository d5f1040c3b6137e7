"""kill -9 of everything in turn: what was committed stays, nothing stays running, the next start works."""

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import AlreadyRunningError
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.embedded.roles import Login

from tests.server.adapters.embedded.watching import (
    processes_of,
    programs_of,
    reach,
    up,
    wait_ready,
    wait_until,
)


async def write(login: Login, writer: int, acknowledged: list[tuple[int, int]]) -> None:
    connection = await asyncpg.connect(**login.options())
    try:
        for number in range(1_000_000):
            await connection.execute("INSERT INTO kept VALUES ($1, $2, $3)", writer, number, "x" * 500)
            acknowledged.append((writer, number))
    finally:
        connection.terminate()


async def test_every_acknowledged_row_outlives_kill_9_of_the_whole_server(used: DataDirectory) -> None:
    steps: list[str] = []
    postgres = EmbeddedPostgres(used, progress=steps.append)
    await postgres.start()
    setup = await asyncpg.connect(**postgres.owner.options())
    await setup.execute("CREATE TABLE kept (writer int, number int, filler text)")
    await setup.close()
    acknowledged: list[tuple[int, int]] = []
    for cycle in range(4):
        enough = len(acknowledged) + 100
        writers = [asyncio.create_task(write(postgres.owner, cycle * 4 + number, acknowledged)) for number in range(4)]
        await reach(lambda enough=enough: len(acknowledged) >= enough)
        for pid in programs_of(used.path)["postgres"]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        results = await asyncio.gather(*writers, return_exceptions=True)
        assert all(isinstance(result, Exception) for result in results)
        assert await postgres.wait() == "killed by SIGKILL"
        await postgres.start()
    check = await asyncpg.connect(**postgres.owner.options())
    rows = {(row["writer"], row["number"]) for row in await check.fetch("SELECT writer, number FROM kept")}
    await check.close()
    await postgres.stop()
    assert len(acknowledged) >= 400
    assert set(acknowledged) <= rows
    assert steps.count("recovering PostgreSQL after a crash") == 4


async def test_kill_9_of_the_postmaster_alone_is_recovered_from(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    await postgres.start()
    busy = await asyncpg.connect(**postgres.owner.options())
    sleeping = asyncio.create_task(busy.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.1)
    postmaster = int((used.postgres / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    assert await postgres.wait() == "killed by SIGKILL"
    began = time.monotonic()
    await postgres.start()
    assert time.monotonic() - began < 10
    await asyncio.gather(sleeping, return_exceptions=True)
    busy.terminate()
    await postgres.stop()


def test_kill_9_of_the_appliance_leaves_nothing_running_and_the_next_one_works(any_place: Path) -> None:
    for _ in range(2):
        appliance = up(any_place / "data")
        wait_ready(appliance)
        assert programs_of(any_place).keys() >= {"postgres", "redis-server"}
        directory = DataDirectory.open(any_place / "data")
        with pytest.raises(AlreadyRunningError, match=str(appliance.pid)), directory.lock():
            pass
        appliance.kill()
        appliance.wait()
        wait_until(lambda: processes_of(any_place) == [], limit_s=5)


def test_the_next_appliance_can_start_at_once_after_kill_9(used: DataDirectory, place: Path) -> None:
    for _ in range(2):
        appliance = up(used.path)
        wait_ready(appliance)
        appliance.kill()
        appliance.wait()
    last = up(used.path)
    wait_ready(last)
    last.kill()
    last.wait()
    wait_until(lambda: processes_of(place) == [], limit_s=5)


async def test_a_start_does_not_touch_the_servers_of_another_directory(used: DataDirectory, place: Path) -> None:
    other = DataDirectory.open(place / "other")
    neighbours = [EmbeddedPostgres(other), EmbeddedRedis(other)]
    for neighbour in neighbours:
        await neighbour.start()
    for server in (EmbeddedPostgres(used), EmbeddedRedis(used)):
        await server.start()
        await server.stop()
    assert all(neighbour.is_running for neighbour in neighbours)
    for neighbour in neighbours:
        await neighbour.stop()


async def test_an_initialisation_killed_at_any_moment_is_done_again(place: Path) -> None:
    stages = ("postgres.init", "postgres.init/base", "postgres.init/base/5")
    for number, stage in enumerate(stages):
        data = place / str(number)
        appliance = up(data)
        await reach((data / stage).exists)
        # Everything at once: initdb that gets a gentle signal clears up behind itself.
        appliance.send_signal(signal.SIGSTOP)
        for pid in processes_of(data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        appliance.wait()
        directory = DataDirectory.open(data)
        postgres = EmbeddedPostgres(directory)
        with directory.lock():
            await postgres.start()
            connection = await asyncpg.connect(**postgres.app.options())
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
            await postgres.stop()
        assert not list(data.glob("postgres.init*"))
        assert not (data / "initdb.password").exists()
        appliance.stdout.close()
    wait_until(lambda: processes_of(place) == [])


def test_as_a_normal_user_everything_works(place: Path) -> None:
    async def scenario(data: Path) -> None:
        directory = DataDirectory.open(data)
        with directory.lock():
            postgres, redis = EmbeddedPostgres(directory), EmbeddedRedis(directory)
            await redis.start()
            for _ in range(2):
                await postgres.start()
                connection = await asyncpg.connect(**postgres.app.options())
                assert await connection.fetchval("SELECT current_user") == "governlayer_app"
                connection.terminate()
                await postgres.stop()
            await redis.stop()
        assert directory.postgres.stat().st_uid == os.geteuid() != 0
        assert processes_of(data) == []

    home = place / "home"
    home.mkdir(0o700)
    report = place / "report"
    report.touch()
    report.chmod(0o666)
    child = os.fork()
    if child == 0:
        # The interpreter's files may be closed to the other user: everything is imported by now.
        with report.open("w") as file:
            try:
                if os.geteuid() == 0:
                    os.chown(home, 65_534, 65_534)
                    os.setgroups([])
                    os.setgid(65_534)
                    os.setuid(65_534)
                asyncio.run(scenario(home / "data"))
                file.write("done")
            except BaseException as error:
                file.write(repr(error))
                raise
            finally:
                file.flush()
                os._exit(0)
    os.waitpid(child, 0)
    assert report.read_text() == "done"


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(used: DataDirectory, place: Path) -> None:
    appliance = up(used.path)
    wait_ready(appliance)
    sessions = {os.getsid(pid) for pid in processes_of(place) if pid != appliance.pid}
    assert os.getsid(appliance.pid) not in sessions
    appliance.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        appliance.wait(10)
    assert appliance.returncode is not None
    wait_until(lambda: processes_of(place) == [], limit_s=5)
