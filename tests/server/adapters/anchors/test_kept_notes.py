"""Notes kept outside the database are written once and whole; another history is not written over the first."""

import json
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from governlayer_server.adapters.anchors import directory as notes_directory
from governlayer_server.adapters.anchors.directory import NotesDirectory
from governlayer_server.adapters.anchors.syslog import SyslogNotes
from governlayer_server.domain.errors import ConfigurationError, Inconsistent, Unavailable

from tests.fakes.witness import Log

LOG = Log()


def file_of(path: Path, size: int) -> Path:
    return path / sha256(LOG.origin.encode()).hexdigest() / f"{size}.note"


def names_beside(file: Path) -> list[str]:
    return sorted(one.name for one in file.parent.glob("*")) + sorted(one.name for one in file.parent.glob(".*"))


async def test_notes_are_files_that_nobody_may_write(tmp_path: Path) -> None:
    notes = NotesDirectory(tmp_path)
    assert await notes.newest(LOG.origin) is None
    for size in (2, 10, 9):
        await notes.keep(LOG.origin, size, LOG.grown(size).note())
    assert await notes.newest(LOG.origin) == LOG.grown(10).note()
    file = file_of(tmp_path, 9)
    assert file.read_text() == LOG.grown(9).note()
    assert file.stat().st_mode & 0o777 == 0o444
    assert names_beside(file) == ["10.note", "2.note", "9.note"]


async def test_the_same_checkpoint_again_leaves_the_first_note(tmp_path: Path) -> None:
    notes, first = NotesDirectory(tmp_path), LOG.grown(3).note()
    await notes.keep(LOG.origin, 3, first)
    before = file_of(tmp_path, 3).stat()
    await notes.keep(LOG.origin, 3, first)
    await notes.keep(LOG.origin, 3, first + "— other.example.com AAAAAAAA\n")
    assert file_of(tmp_path, 3).stat() == before
    assert file_of(tmp_path, 3).read_text() == first


async def test_another_checkpoint_of_a_size_is_a_fork_and_is_not_written(tmp_path: Path) -> None:
    notes, first = NotesDirectory(tmp_path), LOG.grown(3).note()
    await notes.keep(LOG.origin, 3, first)
    with pytest.raises(Inconsistent):
        await notes.keep(LOG.origin, 3, LOG.grown(3, b"other ").note())
    assert names_beside(file_of(tmp_path, 3)) == ["3.note"]
    assert file_of(tmp_path, 3).read_text() == first


async def test_what_cannot_be_written_is_unavailable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "missing"):
        with pytest.raises(Unavailable):
            await NotesDirectory(tmp_path / place).keep(LOG.origin, 3, LOG.grown(3).note())
    assert not (tmp_path / "missing").exists()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(notes_directory.os, "fsync", full)
    with pytest.raises(Unavailable):
        await NotesDirectory(tmp_path).keep(LOG.origin, 3, LOG.grown(3).note())
    assert names_beside(file_of(tmp_path, 3)) == []


async def test_a_damaged_directory_is_unavailable(tmp_path: Path) -> None:
    file = file_of(tmp_path, 3)
    file.parent.mkdir()
    file.write_bytes(b"\xff")
    with pytest.raises(Unavailable):
        await NotesDirectory(tmp_path).newest(LOG.origin)


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.settimeout(5)
        yield path, listening


async def test_the_log_gets_a_note_as_a_line_of_a_dump(socket_path: tuple[str, socket.socket]) -> None:
    path, listening = socket_path
    note = LOG.grown(3).note()
    notes = SyslogNotes(path)
    await notes.keep(LOG.origin, 3, note)
    line = listening.recv(65_536).rstrip(b"\x00").decode()
    assert line.startswith("<14>governlayer: ")
    assert "\n" not in line
    assert json.loads(line.partition(": ")[2]) == {"checkpoint": note}
    assert await notes.newest(LOG.origin) is None


async def test_the_log_may_be_a_daemon_on_this_machine() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        await SyslogNotes(f"127.0.0.1:{listening.getsockname()[1]}").keep(LOG.origin, 3, LOG.grown(3).note())
        assert b"checkpoint" in listening.recv(65_536)


async def test_a_log_that_is_not_there_is_unavailable(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unavailable):
        await SyslogNotes(str(tmp_path / "nothing")).keep(LOG.origin, 3, LOG.grown(3).note())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["log.example.com:514", "192.0.2.7:514", "localhost", "localhost:0", ":514", "x"])
def test_a_log_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError):
        SyslogNotes(address)
