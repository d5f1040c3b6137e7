"""What is remembered of ledgers survives crashes, is shared by processes, and is never begun anew by itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from governlayer import ConfigurationError, GovernLayer, LedgerStateError
from governlayer._files import FileStore
from governlayer._note import parse_checkpoint
from governlayer._receipt import Sighting
from governlayer._state import LedgerState, begun
from hypothesis import example, given
from hypothesis import strategies as st

from tests.sdk.ledger_builder import ORIGIN, Key, LedgerBuilder
from tests.sdk.sdk_support import ASK, BASE_URL, KEY, KINDS
from tests.sdk.witness_support import FakeAppliance, Session, served

SPAWN = multiprocessing.get_context("spawn")
PROCESSES, TURNS = 3, 12


def a_state(seq: int = 0) -> LedgerState:
    ledger = LedgerBuilder()
    ledger.grow(1)
    seen = Sighting(parse_checkpoint(ledger.note(1)), seq, "0a" * 32, "0b" * 32, "2026-11-26T00:00:00.000000Z")
    return begun((Key(1).vkey,), seen)


def one_more(held: LedgerState | None) -> LedgerState:
    assert held is not None
    return replace(held, newest=replace(held.newest, seq=held.newest.seq + 1))


def count_up(directory: Path, turns: int) -> None:
    store = FileStore(directory)
    for _ in range(turns):
        store.update(ORIGIN, one_more)


def die_before_the_rename(directory: Path) -> None:
    Path.replace = lambda self, target: os._exit(9)  # type: ignore[assignment]  # mypy: this process ends by it
    FileStore(directory).update(ORIGIN, one_more)


def ask_often(url: str, directory: Path) -> None:
    patient = {"timeout_s": 60, "connect_timeout_s": 60}
    with GovernLayer(KEY, base_url=url, state_dir=directory, consistency_interval_s=0, **patient) as client:
        for _ in range(TURNS):
            assert client.govern(**ASK).allowed


@pytest.fixture
def store(state_dir) -> FileStore:
    one = FileStore(state_dir)
    one.update(ORIGIN, lambda held: a_state())
    return one


@pytest.fixture
def file(store, state_dir) -> Path:
    (path,) = state_dir.glob("*.json")
    return path


def test_what_is_written_is_read_again(store):
    assert store.load(ORIGIN) == a_state()
    assert store.load("governlayer.test/ledgers/another") is None


def test_only_its_owner_can_read_it(file, state_dir):
    assert {stat.S_IMODE(path.stat().st_mode) for path in state_dir.iterdir()} == {0o600}
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700


def test_processes_do_not_undo_each_other(store, state_dir):
    processes = [SPAWN.Process(target=count_up, args=(state_dir, TURNS)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert store.load(ORIGIN).newest.seq == PROCESSES * TURNS


def test_nor_do_threads(store, state_dir):
    threads = [threading.Thread(target=count_up, args=(state_dir, TURNS)) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load(ORIGIN).newest.seq == PROCESSES * TURNS


def test_clients_of_several_processes_witness_one_ledger_together(state_dir):
    appliance = FakeAppliance()
    with served(appliance) as url:
        processes = [SPAWN.Process(target=ask_often, args=(url, state_dir)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    assert appliance.ledger.size == 3 * TURNS
    assert FileStore(state_dir).load(ORIGIN).newest.checkpoint.size == 3 * TURNS


def test_a_crash_before_the_rename_leaves_what_was_there(store, state_dir):
    process = SPAWN.Process(target=die_before_the_rename, args=(state_dir,))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert list(state_dir.glob("*.tmp")) != []
    assert store.load(ORIGIN) == a_state()
    assert store.update(ORIGIN, one_more).newest.seq == 1
    assert list(state_dir.glob("*.tmp")) == []


@pytest.mark.parametrize("after_s", [0.0, 0.03])
def test_a_kill_at_any_moment_leaves_a_whole_file_and_no_lock(store, state_dir, after_s):
    process = SPAWN.Process(target=count_up, args=(state_dir, 100_000))
    process.start()
    while store.load(ORIGIN).newest.seq == 0:
        time.sleep(0.001)
    time.sleep(after_s)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    reached = store.load(ORIGIN).newest.seq
    assert store.update(ORIGIN, one_more).newest.seq == reached + 1


def test_a_lock_that_is_held_for_long_is_an_error(store, file, monkeypatch):
    monkeypatch.setattr("governlayer._files._LOCK_WAIT_S", 0.05)
    with FileLock(f"{file}.lock"), pytest.raises(LedgerStateError, match="locked"):
        store.update(ORIGIN, one_more)


TORN = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "last brace": lambda data: data.rstrip()[:-1],
    "not text": lambda data: b"\xff" + data,
    "member too many": lambda data: data.replace(b'"v": 1', b'"v": 1, "w": 1'),
    "member missing": lambda data: data.replace(b',\n  "v": 1', b""),
    "version": lambda data: data.replace(b'"v": 1', b'"v": 2'),
    "another ledger": lambda data: data.replace(b'"origin": "governlayer', b'"origin": "other'),
    "another size": lambda data: data.replace(b"\\n1\\n", b"\\n2\\n"),
    "signed by another": lambda data: data.replace("— governlayer".encode(), "— another".encode()),
    "no keys": lambda data: data.replace(b'"keys": [', b'"keys": [], "unused": ['),
    "something else": lambda data: b'{"hello": "world"}',
}


@pytest.mark.parametrize("how", TORN)
def test_a_torn_or_foreign_file_is_an_error_that_says_what_to_do(store, file, how):
    torn = TORN[how](file.read_bytes())
    assert torn != file.read_bytes()
    file.write_bytes(torn)
    for use in (lambda: store.load(ORIGIN), lambda: store.update(ORIGIN, one_more)):
        with pytest.raises(LedgerStateError, match="move it away") as caught:
            use()
        assert str(file) in str(caught.value)
    assert file.read_bytes() == torn


def test_a_directory_or_a_link_in_its_place_is_an_error(store, file, tmp_path):
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LedgerStateError, match="cannot be read"):
        store.load(ORIGIN)
    file.unlink()
    file.mkdir()
    with pytest.raises(LedgerStateError, match="cannot be read"):
        store.load(ORIGIN)


@pytest.mark.parametrize("kind", KINDS)
def test_a_torn_file_stops_the_client_and_stays(kind, state_dir):
    appliance = FakeAppliance()
    Session(kind, appliance).govern()
    (path,) = state_dir.glob("*.json")
    path.write_text("{")
    with pytest.raises(LedgerStateError) as caught:
        Session(kind, appliance).govern()
    assert caught.value.code == "ledger_state_error"
    assert path.read_text() == "{"


@pytest.mark.parametrize("kind", KINDS)
def test_a_directory_that_cannot_be_made_is_refused_with_the_client(kind, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="GOVERNLAYER_STATE_DIR"):
        Session(kind, FakeAppliance(), state_dir=tmp_path / "file" / "below")
    Session(kind, FakeAppliance(), state_dir=tmp_path / "file" / "below", verify_receipts=False)


def test_evidence_is_never_overwritten(store):
    first = store.accuse(ORIGIN, "kept 1", "seen 1", "20261126T000000.000000Z")
    second = store.accuse(ORIGIN, "kept 2", "seen 2", "20261126T000000.000000Z")
    assert [path.read_text() for path in (*first, *second)] == ["kept 1", "seen 1", "kept 2", "seen 2"]
    assert store.evidence(ORIGIN) == tuple(sorted((*first, *second)))
    assert store.evidence("governlayer.test/ledgers/another") is None


def test_the_directory_is_the_argument_or_the_environment_or_the_platform_s(tmp_path, monkeypatch):
    def chosen(**options: object) -> Path | None:
        return GovernLayer(KEY, base_url=BASE_URL, **options)._config.state_dir

    monkeypatch.setenv("GOVERNLAYER_STATE_DIR", str(tmp_path / "environment"))
    assert chosen(state_dir=tmp_path / "argument") == tmp_path / "argument"
    assert chosen() == tmp_path / "environment"
    assert chosen(state_dir=None) is None
    monkeypatch.delenv("GOVERNLAYER_STATE_DIR")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert chosen() == tmp_path / "home" / ".local" / "state" / "governlayer"


ORIGINS = st.text(st.sampled_from("aA./-_z09"), min_size=1, max_size=255)


@given(ORIGINS, ORIGINS)
@example("gl/a", "gl/A")
@example("a" * 150 + "1", "a" * 150 + "2")
@example("gl/a", "gl-2Fa")
@example("..", ".")
def test_each_ledger_has_a_file_of_its_own_in_the_directory(one, other):
    directory = Path("state")
    store = object.__new__(FileStore)
    store._directory = directory
    names = [store._path(origin).name for origin in (one, other)]
    assert all(store._path(origin).parent == directory for origin in (one, other))
    assert all(len(name) < 200 and "/" not in name and name != ".." for name in names)
    assert (names[0].lower() == names[1].lower()) == (one == other)
