"""The embedded PostgreSQL as a caller and an attacker on the same machine see it."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import uvloop
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import StartError
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.roles import Login

from tests.server.adapters.embedded.watching import (
    listens_on_tcp,
    modes_below,
    proc,
    processes_of,
    programs_of,
    texts_of,
)

SETTINGS = {
    "listen_addresses": "",
    "data_checksums": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "shared_buffers": "128MB",
    "TimeZone": "UTC",
    "server_encoding": "UTF8",
    "allow_alter_system": "off",
    "max_wal_senders": "0",
}


@pytest.fixture
def bystander(used: DataDirectory) -> Iterator[subprocess.Popen[bytes]]:
    """Another program of the user that the server runs as."""
    with subprocess.Popen(["sleep", "60"], user=used.postgres.stat().st_uid) as process:
        yield process
        process.kill()


async def query(login: Login, sql: str, *values: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(**login.options(), timeout=5)
    try:
        return list(await connection.fetch(sql, *values))
    finally:
        await connection.close()


async def test_a_first_start_serves_and_a_second_one_finds_the_data(any_place: Path) -> None:
    steps: list[str] = []
    directory = DataDirectory.open(any_place / "data")
    postgres = EmbeddedPostgres(directory, progress=steps.append)
    await postgres.start()
    await query(postgres.owner, "CREATE TABLE kept AS SELECT 42 AS answer")
    await postgres.stop()
    assert not postgres.is_running
    assert processes_of(any_place) == []
    again = EmbeddedPostgres(DataDirectory.open(any_place / "data"), progress=steps.append)
    await again.start()
    await again.start()
    assert [row["answer"] for row in await query(again.owner, "SELECT answer FROM kept")] == [42]
    await again.restart()
    assert [row["answer"] for row in await query(again.owner, "SELECT answer FROM kept")] == [42]
    await again.stop()
    assert steps == ["initialising PostgreSQL", *["starting PostgreSQL"] * 3]


async def test_every_file_is_private_and_the_server_is_not_root(any_place: Path) -> None:
    directory = DataDirectory.open(any_place / "data")
    postgres = EmbeddedPostgres(directory)
    await postgres.start()
    pid = programs_of(any_place)["postgres"][0]
    inside = proc(pid, "uid_map").split()
    owner = directory.postgres.stat().st_uid
    modes = modes_below(any_place)
    for path, mode in modes.items():
        assert mode & 0o077 == 0 or (path, mode) in ((directory.sockets, 0o711), (directory.path, 0o711)), (
            f"{path} has mode {mode:o}"
        )
    await postgres.stop()
    if os.geteuid() != 0:
        assert owner == os.geteuid()
    elif modes[directory.path] == 0o711:
        assert owner != 0
    else:
        assert (owner, inside) == (0, ["65534", "0", "1"])
    assert {path.stat().st_uid for path in directory.secrets.iterdir()} == {os.geteuid()}


async def test_the_server_runs_with_the_hardened_settings_and_without_tcp(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    await postgres.start()
    rows = await query(postgres.admin, "SELECT name, current_setting(name) AS value FROM pg_settings")
    values = {row["name"]: row["value"] for row in rows}
    pids = programs_of(used.path)["postgres"]
    with socket.create_server(("127.0.0.1", 0)):
        assert listens_on_tcp([os.getpid()]), "the check itself sees nothing"
        assert not listens_on_tcp(pids)
    assert (used.postgres / "pg_hba.conf").read_text().splitlines()[1:] == ["local all all scram-sha-256"]
    status, limits = proc(pids[0], "status"), proc(pids[0], "limits")
    await postgres.stop()
    assert {name: values[name] for name in SETTINGS} == SETTINGS
    assert "NoNewPrivs:\t1" in status
    assert [line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")] == [["0", "0"]]
    assert os.getsid(0) not in pids


async def test_roles_have_no_more_rights_than_they_need(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    await postgres.start()
    roles = await query(
        postgres.admin,
        "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolpassword "
        "FROM pg_authid WHERE rolcanlogin AND rolname <> 'governlayer_admin' ORDER BY 1",
    )
    assert [row["rolname"] for row in roles] == ["governlayer_app", "governlayer_owner"]
    assert all(not any(tuple(row)[1:6]) and row["rolpassword"].startswith("SCRAM-SHA-256$") for row in roles)
    public = await query(postgres.owner, "SELECT has_schema_privilege('public', 'public', 'USAGE, CREATE') AS any")
    assert not public[0]["any"]
    await query(postgres.owner, "CREATE TABLE of_owner (n int)")
    for refused in (
        "SELECT * FROM of_owner",
        "CREATE TABLE mine (n int)",
        "CREATE TEMP TABLE mine (n int)",
        "CREATE SCHEMA mine",
        "DROP TABLE of_owner",
        "ALTER ROLE governlayer_app BYPASSRLS",
        "SET ROLE governlayer_owner",
        "SELECT rolpassword FROM pg_authid",
        "SELECT pg_read_file('postgresql.conf')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ):
        with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be|Only roles"):
            await query(postgres.app, refused)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(**{**postgres.app.options(), "database": "postgres"})
    await postgres.stop()


async def test_a_wrong_or_missing_password_is_refused(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    await postgres.start()
    for login in (postgres.app, postgres.owner, postgres.admin):
        for wrong in ("wrong", "", login.password + "x"):
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await asyncpg.connect(**{**login.options(), "password": wrong})
    await postgres.stop()


async def test_no_secret_and_no_value_of_a_row_is_in_command_lines_environments_logs_or_files(
    directory: DataDirectory,
) -> None:
    postgres = EmbeddedPostgres(directory)
    await postgres.start()
    with pytest.raises(asyncpg.DataError):
        await query(postgres.app, "SELECT 'canary-value'::int")
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await query(postgres.app, "SELEC canary-value")
    seen = [proc(pid, name).encode() for pid in processes_of(directory.path) for name in ("cmdline", "environ")]
    await postgres.stop()
    secrets = texts_of(directory.secrets.iterdir())
    assert len(secrets) == 3
    assert all(len(secret) >= 43 for secret in secrets)
    seen += texts_of(path for path in modes_below(directory.path) if not path.is_relative_to(directory.secrets))
    assert not [secret for secret in [*secrets, b"canary-value"] for text in seen if secret in text]
    shown = repr(postgres.app) + repr(postgres.owner)
    assert not [secret for secret in secrets if secret.decode() in shown]


async def test_a_password_that_was_replaced_on_disk_is_taken_over(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    (used.secrets / "governlayer-app.password").write_text("n" * 43)
    await postgres.start()
    assert postgres.app.password == "n" * 43
    assert await query(postgres.app, "SELECT 1")
    await postgres.stop()


async def test_lost_secrets_are_a_clear_error_and_nothing_stays_running(used: DataDirectory) -> None:
    shutil.rmtree(used.secrets)
    with pytest.raises(StartError, match="same backup") as caught:
        await EmbeddedPostgres(DataDirectory.open(used.path)).start()
    assert caught.value.code == "embedded_start"
    assert processes_of(used.path) == []


async def test_a_start_that_fails_shows_the_end_of_the_log(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    with (used.postgres / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(StartError, match=r"(?s)exited with status 1.*no_such_setting"):
        await postgres.start()


async def test_data_of_another_major_version_is_refused(used: DataDirectory) -> None:
    postgres = EmbeddedPostgres(used)
    (used.postgres / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartError, match="PostgreSQL 17, this is 18"):
        await postgres.start()


async def test_starting_off_the_main_thread_is_refused(directory: DataDirectory) -> None:
    def start() -> None:
        asyncio.run(EmbeddedPostgres(directory).start())

    with pytest.raises(StartError, match="main thread"):
        await asyncio.to_thread(start)


async def test_lock_files_with_the_id_of_another_program_do_not_stop_it_nor_harm_that_program(
    used: DataDirectory, bystander: subprocess.Popen[bytes]
) -> None:
    postgres = EmbeddedPostgres(used)
    for path in (used.postgres / "postmaster.pid", postgres.socket_directory / ".s.PGSQL.5432.lock"):
        path.write_text(f"{bystander.pid}\n{used.postgres}\n1\n5432\n{postgres.socket_directory}\n\n")
    await postgres.start()
    assert await query(postgres.app, "SELECT 1")
    await postgres.stop()
    assert bystander.poll() is None


async def test_an_old_server_that_still_runs_on_the_data_is_stopped_first(used: DataDirectory) -> None:
    old, new = EmbeddedPostgres(used), EmbeddedPostgres(used)
    await old.start()
    await query(old.owner, "CREATE TABLE kept AS SELECT 1 AS n")
    await new.start()
    assert not old.is_running
    assert await old.wait() == "exited with status 0"
    assert await query(new.owner, "SELECT n FROM kept")
    await new.stop()


@pytest.mark.parametrize("name", ["space, comma 'quote\" back\\slash ünï", "long-" * 22])
async def test_any_printable_path_works(place: Path, name: str) -> None:
    directory = DataDirectory.open(place / name)
    postgres = EmbeddedPostgres(directory)
    await postgres.start()
    assert await query(postgres.app, "SELECT 1")
    await postgres.stop()
    if not directory.sockets.is_relative_to(place):
        shutil.rmtree(directory.sockets)


def test_it_works_under_uvloop(used: DataDirectory) -> None:
    async def scenario() -> int:
        postgres = EmbeddedPostgres(used)
        await postgres.start()
        (row,) = await query(postgres.app, "SELECT 1 AS one")
        await postgres.stop()
        return int(row["one"])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == 1


async def test_a_cancelled_start_leaves_nothing_and_the_next_one_works(directory: DataDirectory) -> None:
    postgres = EmbeddedPostgres(directory)
    for pause_s in (0.1, 0.3, 0.6):
        task = asyncio.create_task(postgres.start())
        await asyncio.sleep(pause_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await postgres.stop()
        assert programs_of(directory.path).keys() <= {"postgres"}
    await postgres.start()
    assert await query(postgres.app, "SELECT 1")
    await postgres.stop()


async def test_a_server_that_ignores_gentle_signals_is_ended_all_the_same(
    used: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "governlayer_server.adapters.embedded.postgres._STOP", ((signal.SIGINT, 0.2), (signal.SIGKILL, 5.0))
    )
    postgres = EmbeddedPostgres(used)
    await postgres.start()
    postmaster = int((used.postgres / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGSTOP)
    await postgres.stop()
    await postgres.start()
    assert await query(postgres.app, "SELECT 1")
    await postgres.stop()
