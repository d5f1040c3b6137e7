"""--resume: a run that was stopped goes on, to the same report; a state of anything else is refused."""

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from governlayer_verifier import InputError, cli, journal, reader, verify
from governlayer_verifier.block import BlockChecker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, SECOND_KEY, sample_ledger
from tests.verifier.mutated_dumps import mutated_dumps
from tests.verifier.test_verifier_streaming import write_dump
from tests.verifier.verdicts import joined, lines_of

DUMP = sample_ledger(60).dump(names=("content", "context"))
KEYS = {"keys": [KEY.vkey]}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Some twenty blocks.
    monkeypatch.setattr(reader, "BLOCK_BYTES", 1_000)
    return tmp_path / "state"


class Stopped(Exception):
    """What stops a run in these tests."""


def stop_at(count: int) -> Any:
    def check(self: BlockChecker, block: bytes) -> Any:
        nonlocal count
        count -= 1
        if count < 0:
            raise Stopped
        return CHECK(self, block)

    return check


CHECK = BlockChecker.check


def stopped_run(dump: bytes, state: Path, blocks: int, **asked: Any) -> None:
    """Verify *dump* until *blocks* of it are checked."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(BlockChecker, "check", stop_at(blocks))
        with pytest.raises(Stopped):
            verify(io.BytesIO(dump), resume=str(state), **{**KEYS, **asked})


def checked_blocks(dump: bytes, state: Path, **asked: Any) -> tuple[Any, int]:
    """The report of a run, and how many blocks it checked itself."""
    count = 0

    def check(self: BlockChecker, block: bytes) -> Any:
        nonlocal count
        count += 1
        return CHECK(self, block)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(BlockChecker, "check", check)
        return verify(io.BytesIO(dump), resume=str(state), **{**KEYS, **asked}), count


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated_dumps(), st.integers(0, 12), st.booleans())
def test_a_resumed_run_reports_what_a_whole_one_reports(state: Path, dump: bytes, blocks: int, quick: bool) -> None:
    state.unlink(missing_ok=True)
    try:
        stopped_run(dump, state, blocks, quick=quick)
    except pytest.fail.Exception:
        assert not state.exists(), "it had come to its end"
    again, _ = checked_blocks(dump, state, quick=quick)
    assert again == verify(io.BytesIO(dump), quick=quick, **KEYS)
    assert not state.exists()


def test_what_was_checked_is_not_checked_again(state: Path) -> None:
    _, all_blocks = checked_blocks(DUMP, state)
    assert all_blocks > 15
    stopped_run(DUMP, state, 10)
    report, count = checked_blocks(DUMP, state)
    assert (report.verdict, count) == ("valid", all_blocks - 10)


def test_a_run_may_be_stopped_again_and_again_and_go_on_with_more_processes(state: Path) -> None:
    for _ in range(3):
        stopped_run(DUMP, state, 4)
    _, count = checked_blocks(DUMP, state.with_name("other"))
    stopped_run(DUMP, state, 0)
    assert verify(io.BytesIO(DUMP), jobs=2, resume=str(state), **KEYS) == verify(io.BytesIO(DUMP), **KEYS)
    assert count > 12


@pytest.mark.parametrize("line", [2, 20, 40])
def test_a_dump_that_was_changed_where_it_was_verified_is_refused(state: Path, line: int) -> None:
    stopped_run(DUMP, state, 18)
    lines = lines_of(DUMP)
    changed = [*lines[:line], lines[line].replace(b"deny", b"pass").replace(b"content", b"kontent"), *lines[line + 1 :]]
    assert changed != lines
    kept = state.read_bytes()
    with pytest.raises(InputError, match=r"the dump is not the one of .*delete it to begin anew"):
        checked_blocks(joined(changed), state)
    assert state.read_bytes() == kept


def test_a_dump_that_became_shorter_is_refused(state: Path) -> None:
    stopped_run(DUMP, state, 18)
    with pytest.raises(InputError, match="the dump is not the one"):
        checked_blocks(DUMP[:5_000], state)


def test_a_change_behind_what_was_verified_is_found_by_checking(state: Path) -> None:
    stopped_run(DUMP, state, 5)
    report, _ = checked_blocks(DUMP.replace(b'"score":57', b'"score":58'), state)
    assert report.verdict == "invalid"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"keys": []}, "arguments"),
        ({"keys": [SECOND_KEY.vkey]}, "arguments"),
        ({"quick": True}, "arguments"),
        ({"origin": "gl.example.com/ledgers/test"}, "arguments"),
        ({"checkpoints": [sample_ledger(20).note(13)]}, "arguments"),
        ({"trust": b"quorum none\n"}, "arguments"),
    ],
)
def test_a_state_of_other_arguments_is_refused(state: Path, other: dict[str, Any], named: str) -> None:
    stopped_run(DUMP, state, 5)
    kept = state.read_bytes()
    with pytest.raises(InputError, match=f"state of another run: not the same {named}; delete it"):
        checked_blocks(DUMP, state, **other)
    assert state.read_bytes() == kept


def test_a_state_of_another_dump_or_version_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_run(DUMP, state, 5)
    with pytest.raises(InputError, match="not the same header of the dump"):
        checked_blocks(sample_ledger(59).dump(), state)
    monkeypatch.setattr(journal, "__version__", "0.0.9")
    with pytest.raises(InputError, match="not the same version"):
        checked_blocks(DUMP, state)


@pytest.mark.parametrize("content", [b"precious\n", b"x", b"{}\n", b"\0" * 100_000, DUMP, b"f" * 64 + b" {}\n"])
def test_a_file_that_is_no_state_is_left_as_it_is(state: Path, content: bytes) -> None:
    state.write_bytes(content)
    with pytest.raises(InputError, match="is not a state of gl-verify"):
        checked_blocks(DUMP, state)
    assert state.read_bytes() == content


def test_a_state_cut_anywhere_is_used_as_far_as_it_is_whole(state: Path) -> None:
    stopped_run(DUMP, state, 6)
    whole = state.read_bytes()
    expected = verify(io.BytesIO(DUMP), **KEYS)
    _, all_blocks = checked_blocks(DUMP, state.with_name("other"))
    for length in {*range(0, len(whole), 397), len(whole) - 1, len(whole)}:
        state.write_bytes(whole[:length])
        report, count = checked_blocks(DUMP, state)
        assert report == expected
        assert count == all_blocks - max(whole[:length].count(b"\n") - 1, 0)


def test_a_damaged_line_is_checked_again_with_all_that_follow(state: Path) -> None:
    stopped_run(DUMP, state, 6)
    lines = state.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"records":', b'"records": ')
    state.write_bytes(b"".join(lines))
    expected, all_blocks = checked_blocks(DUMP, state.with_name("other"))
    assert checked_blocks(DUMP, state) == (expected, all_blocks - 2)


def test_a_state_that_cannot_be_written_is_an_input_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = tmp_path / "dump"
    dump.write_bytes(DUMP)
    assert cli.main([str(dump), "--key", KEY.vkey, "--resume", str(tmp_path / "no" / "state")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert cli.main([str(dump), "--key", KEY.vkey, "--resume", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err


def test_a_state_is_for_its_owner_alone(state: Path) -> None:
    stopped_run(DUMP, state, 3)
    assert state.stat().st_mode & 0o777 == 0o600


def slow_program(seconds: float) -> str:
    """The command, in a process that waits a moment in each block, so that it can be stopped within."""
    return (
        "import sys, time; from governlayer_verifier import cli, block; check = block.BlockChecker.check\n"
        f"def slow(self, data): time.sleep({seconds}); return check(self, data)\n"
        "block.BlockChecker.check = slow; sys.exit(cli.main(sys.argv[1:]))"
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    dump, state = write_dump(tmp_path / "dump", 40_000), tmp_path / "state"
    arguments = [str(dump), "--key", KEY.vkey, "--json"]
    expected = subprocess.run(
        [sys.executable, "-m", "governlayer_verifier.cli", *arguments], capture_output=True, check=False
    ).stdout
    arguments += ["--resume", str(state)]
    kills, kept = 0, 0
    for seconds in (0.3, 0.2, 0.1, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", slow_program(seconds), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )  # fmt: skip
        while process.poll() is None and (not state.exists() or state.read_bytes().count(b"\n") < kept + 2):
            time.sleep(0.01)
        process.send_signal(how)
        if process.wait(60) not in (0, 1):
            kills += 1
            kept = state.read_bytes().count(b"\n")
    assert kills >= 2
    assert kept >= 3
    result = subprocess.run(
        [sys.executable, "-m", "governlayer_verifier.cli", *arguments], capture_output=True, check=False
    )
    assert result.stdout == expected
    assert json.loads(result.stdout)["records"] == 40_000
    assert not state.exists()


def test_no_text_of_a_payload_is_kept(state: Path) -> None:
    text = "a very private matter"
    ledger = sample_ledger(0)
    ledger.add(payloads={"content": text})
    for _ in range(9):
        ledger.add()
    dump = ledger.dump(names=("content",))
    stopped_run(dump, state, 2)
    assert state.read_bytes().count(b"\n") == 3
    assert text.encode() not in state.read_bytes()
