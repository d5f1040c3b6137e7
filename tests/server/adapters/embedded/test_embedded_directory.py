"""The data directory: layout, modes, refusals, lock, secrets, short sockets."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.errors import AlreadyRunningError, EmbeddedError, UnsafeDirectoryError
from governlayer_server.adapters.embedded.log import LogFile

HOLD = """
import sys, time
from pathlib import Path
from governlayer_server.adapters.embedded.directory import DataDirectory
with DataDirectory.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(600)
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_directory_and_everything_in_it_is_private(place: Path) -> None:
    directory = DataDirectory.open(place / "deep" / "data")
    directory.secret("some", lambda: "value")
    assert {path.name: mode(path) for path in (directory.path, *directory.path.iterdir())} == {
        "data": 0o700,
        "secrets": 0o700,
        "logs": 0o700,
        "lock": 0o600,
    }
    assert mode(directory.secrets / "some") == 0o600


def test_an_empty_directory_that_others_can_read_is_closed(place: Path) -> None:
    (place / "data").mkdir(0o755)
    assert mode(DataDirectory.open(place / "data").path) == 0o700


def test_a_second_opening_changes_nothing_and_keeps_the_way_of_the_servers_user(place: Path) -> None:
    first = DataDirectory.open(place / "data")
    first.path.chmod(0o711)
    DataDirectory.open(place / "data")
    assert mode(first.path) == 0o711
    first.path.chmod(0o755)
    DataDirectory.open(place / "data")
    assert mode(first.path) == 0o711


def _writable(path: Path) -> None:
    path.mkdir()
    path.chmod(0o770)


def _link(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.symlink_to(path.parent / "elsewhere")


def _file(path: Path) -> None:
    path.write_text("x")


def _full(path: Path) -> None:
    path.mkdir()
    (path / "letter.txt").write_text("mine")


def _open_parent(path: Path) -> None:
    path.parent.chmod(0o777)


def _foreign(path: Path) -> None:
    if os.geteuid() == 0:
        path.mkdir()
        os.chown(path, 65_534, 65_534)
    else:
        path.parent.chmod(0o500)  # not ours to create in: the nearest thing without a second user


@pytest.mark.parametrize("spoil", [_writable, _link, _file, _full, _open_parent, _foreign])
def test_an_unsafe_place_is_refused_and_left_as_it_was(place: Path, spoil: Callable[[Path], None]) -> None:
    spoil(place / "data")
    before = sorted(place.rglob("*"))
    with pytest.raises(UnsafeDirectoryError) as caught:
        DataDirectory.open(place / "data")
    assert caught.value.code == "embedded_unsafe_directory"
    assert isinstance(caught.value, EmbeddedError)
    assert sorted(place.rglob("*")) == before
    place.chmod(0o755)


def test_a_path_with_a_control_character_is_refused(place: Path) -> None:
    with pytest.raises(UnsafeDirectoryError, match="control character"):
        DataDirectory.open(place / "two\nlines")


def test_the_second_holder_is_refused_with_the_id_of_the_first_and_kill_frees_the_lock(place: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, place / "data"], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    directory = DataDirectory.open(place / "data")
    with pytest.raises(AlreadyRunningError, match=rf"process {holder.pid} ") as caught, directory.lock():
        pass
    assert caught.value.code == "embedded_already_running"
    holder.send_signal(signal.SIGKILL)
    with directory.lock():
        holder.wait()
        with pytest.raises(AlreadyRunningError, match=rf"process {os.getpid()} "), directory.lock():
            pass


def test_a_secret_is_made_once_and_read_ever_after(directory: DataDirectory) -> None:
    numbers = count()
    assert directory.secret("key", lambda: f"secret {next(numbers)}") == "secret 0"
    assert directory.secret("key", lambda: f"secret {next(numbers)}") == "secret 0"
    assert DataDirectory.open(directory.path).secret("key", lambda: "other") == "secret 0"
    assert [path.name for path in directory.secrets.iterdir()] == ["key"]


def test_all_who_ask_at_once_get_the_same_secret(place: Path) -> None:
    code = (
        "import sys,os\nfrom pathlib import Path\n"
        "from governlayer_server.adapters.embedded.directory import DataDirectory\n"
        "d = DataDirectory.open(Path(sys.argv[1])); input(); print(d.secret('k', lambda: str(os.getpid())))"
    )
    DataDirectory.open(place / "data")

    def run(_: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, place / "data"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    askers = [run(number) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda asker: asker.communicate("\n")[0].strip(), askers))
    assert len(set(answers)) == 1
    assert answers[0] in {str(asker.pid) for asker in askers}


def _readable(path: Path) -> None:
    path.write_text("secret")
    path.chmod(0o640)


def _linked(path: Path) -> None:
    (path.parent.parent / "other").write_text("secret")
    path.symlink_to(path.parent.parent / "other")


def _dangling(path: Path) -> None:
    path.symlink_to(path.parent.parent / "nothing")


def _empty(path: Path) -> None:
    path.touch(0o600)


@pytest.mark.parametrize("spoil", [_readable, _linked, _dangling, _empty])
def test_a_secret_that_is_open_linked_or_empty_is_refused(
    directory: DataDirectory, spoil: Callable[[Path], None]
) -> None:
    spoil(directory.secrets / "key")
    with pytest.raises(UnsafeDirectoryError, match="key"):
        directory.secret("key", lambda: "new")
    with pytest.raises(UnsafeDirectoryError, match="key"):
        directory.existing_secret("key")
    assert not (directory.path / "nothing").exists()


def test_a_secret_that_may_be_missing_is_never_made(directory: DataDirectory) -> None:
    assert directory.existing_secret("key") is None
    assert not list(directory.secrets.iterdir())
    directory.secret("key", lambda: "value")
    assert directory.existing_secret("key") == "value"


@pytest.mark.parametrize("name", ["", "../lock", "a/b", ".hidden", "A", "a" * 65, "a\n"])
def test_a_secret_cannot_leave_its_directory(directory: DataDirectory, name: str) -> None:
    with pytest.raises(ValueError, match="secret's name"):
        directory.secret(name, lambda: "x")
    with pytest.raises(ValueError, match="secret's name"):
        directory.existing_secret(name)


def test_a_long_path_gets_a_short_private_socket_directory_that_is_remembered(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_time = place / "run"
    run_time.mkdir(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(run_time))
    data = place / ("long-" * 20) / "data"
    sockets = DataDirectory.open(data).sockets
    try:
        assert len(bytes(sockets / "pg" / ".s.PGSQL.5432")) < 108
        assert mode(sockets) == 0o700
        assert DataDirectory.open(data).sockets == sockets
        assert sockets.is_relative_to(run_time) == (os.geteuid() != 0)
    finally:
        sockets.rmdir()
    sockets.write_text("somebody took the name")
    again = DataDirectory.open(data).sockets
    sockets.unlink()
    again.rmdir()
    assert again != sockets


def test_a_long_path_without_any_place_for_sockets_is_a_clear_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, how: False)
    with pytest.raises(UnsafeDirectoryError, match="too long for a socket"):
        _ = DataDirectory.open(place / ("long-" * 20) / "data").sockets


def test_a_log_stays_bounded_while_its_writer_goes_on(directory: DataDirectory) -> None:
    log = LogFile(directory.logs / "some.log", limit_bytes=100)
    writer = log.open()
    for number in range(50):
        os.write(writer, f"line {number:03}\n".encode())
        log.bound()
    os.close(writer)
    parts = [log.path.with_name("some.log.1"), log.path]
    assert [mode(part) for part in parts] == [0o600, 0o600]
    assert all(part.stat().st_size < 110 for part in parts)
    text = "".join(part.read_text() for part in parts)
    assert text.endswith("line 049\n")
    assert "\0" not in text
    assert log.tail(2).splitlines()[-1] == "line 049"
