"""One dump, cut in any way and checked by any number of processes: the same report, byte for byte."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from governlayer_verifier import ArgumentError, InputError, cli, reader, verify, workers
from governlayer_verifier.block import BlockChecker
from governlayer_verifier.part import Rules
from governlayer_verifier.partjson import read_part, write_part
from governlayer_verifier.tree import Tree, leaf_hash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, ORIGIN, SECOND_KEY, sample_ledger, sign_note, to_line
from tests.verifier.mutated_dumps import LEDGER, NAMES, PARTIAL, PLAIN, WHOLE, mutated_dumps
from tests.verifier.test_verifier_streaming import write_dump
from tests.verifier.verdicts import joined, lines_of

ASKED = {"keys": [KEY.vkey], "checkpoints": [LEDGER.note(30)], "receipts": [LEDGER.receipt(12, 30)]}
SIZES = [1, 400, 2_000, 9_000]


def report_of(stream: Any, **how: Any) -> str:
    return json.dumps(verify(stream, **ASKED, **how).as_json())


def cut_by(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(reader, "BLOCK_BYTES", size)


@settings(max_examples=120, deadline=None)
@given(mutated_dumps(), st.booleans())
def test_where_a_dump_is_cut_changes_nothing(dump: bytes, quick: bool) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        reports = []
        for size in [1 << 20, *SIZES]:
            cut_by(monkeypatch, size)
            reports.append(report_of(io.BytesIO(dump), quick=quick))
        assert reports == [reports[0]] * len(reports)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated_dumps(), st.sampled_from(SIZES[1:]))
def test_how_many_processes_check_changes_nothing(tmp_path: Path, dump: bytes, size: int) -> None:
    path = tmp_path / "dump"
    path.write_bytes(dump)
    with pytest.MonkeyPatch.context() as monkeypatch:
        cut_by(monkeypatch, size)
        one = report_of(io.BytesIO(dump))
        for jobs in (2, 3):
            # A plain file is read by the workers, anything else is handed to them.
            with path.open("rb") as file:
                assert report_of(file, jobs=jobs, file=file.fileno()) == one
            assert report_of(io.BytesIO(dump), jobs=jobs) == one


@settings(max_examples=60, deadline=None)
@given(mutated_dumps())
def test_a_part_survives_being_written(dump: bytes) -> None:
    for data in (dump, joined(lines_of(dump)[1:])):
        part = BlockChecker(Rules(NAMES, quick=False)).check(data)
        written = write_part(part)
        assert "\n" not in written
        again = read_part(written)
        assert write_part(again) == written
        assert (again.leading, again.chain, again.leading_payloads) == (part.leading, part.chain, part.leading_payloads)
        assert (again.opened, again.handed, again.leaves, again.tiles) == (
            part.opened, part.handed, part.leaves, part.tiles
        )  # fmt: skip


def test_the_dumps_of_these_tests_are_what_they_are_meant_to_be() -> None:
    assert verify(io.BytesIO(PLAIN), keys=[KEY.vkey]).verdict == "valid"
    assert verify(io.BytesIO(PARTIAL), keys=[KEY.vkey, SECOND_KEY.vkey]).verdict == "valid"
    failed = {step.step for step in verify(io.BytesIO(WHOLE), keys=[KEY.vkey]).steps if step.status == "fail"}
    assert failed == {11}


def test_many_tiles_and_blocks_are_joined(tmp_path: Path) -> None:
    path = write_dump(tmp_path / "dump", 12_000)
    reports = []
    for jobs in (1, 2):
        with path.open("rb") as file:
            reports.append(verify(file, keys=[KEY.vkey], jobs=jobs, file=file.fileno()))
    assert reports[0] == reports[1]
    assert reports[0].step(8).status == "pass"
    assert reports[0].records == 12_000


def test_tiles_that_were_computed_for_another_place_are_not_used(tmp_path: Path) -> None:
    lines = lines_of(write_dump(tmp_path / "dump", 12_000).read_bytes())
    # One record is missing in the first block: the seqs of the blocks after it do not tell their place in the tree.
    lines = [*lines[:50], *lines[51:]]
    tree = Tree(0)
    for line in lines[1:-2]:
        tree.append(leaf_hash(line))
    lines[-2] = to_line({"checkpoint": sign_note(ORIGIN, 11_999, tree.root(11_999), KEY)})
    for size in (1 << 20, 300_000):
        with pytest.MonkeyPatch.context() as monkeypatch:
            cut_by(monkeypatch, size)
            report = verify(io.BytesIO(joined(lines)), keys=[KEY.vkey])
        assert {step.step for step in report.steps if step.status == "fail"} == {4, 5, 11, 12}


def test_a_line_over_the_limit_is_handed_on_cut(tmp_path: Path) -> None:
    lines = lines_of(sample_ledger(6).dump())
    lines[3:3] = [b"x" * 20_000_000]
    path = tmp_path / "dump"
    path.write_bytes(joined(lines))
    reports = []
    for jobs in (1, 2):
        with path.open("rb") as file:
            reports.append(verify(file, keys=[KEY.vkey], jobs=jobs, file=file.fileno()))
    assert reports[0] == reports[1]
    assert reports[0].step(1).failures[0].what == "the line is too long"


def run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "governlayer_verifier.cli", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_command_prints_the_same_for_files_and_pipes(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "dump"
    path.write_bytes(pack(WHOLE))
    one = run(str(path), "--key", KEY.vkey, "--json")
    assert (one.returncode, one.stderr) == (1, b"")
    two = run(str(path), "--key", KEY.vkey, "--json", "--jobs", "2")
    assert (two.returncode, two.stdout, two.stderr) == (1, one.stdout, b"")
    piped = run("-", "--key", KEY.vkey, "--json", "--jobs", "3", stdin=pack(WHOLE))
    assert (piped.returncode, piped.stdout, piped.stderr) == (1, one.stdout, b"")


@pytest.mark.parametrize("jobs", ["0", "-1", "65", "x", "1.5", "", "²", "9" * 5000])
def test_another_number_of_processes_is_refused(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["dump", "--jobs", jobs])
    assert stopped.value.code == 2
    assert "not a number from 1 to 64" in capsys.readouterr().err
    with pytest.raises(ArgumentError, match="jobs is not 1 to 64"):
        verify(io.BytesIO(), jobs=65)


def test_a_worker_that_ends_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_PROGRAM", "import sys; sys.stdin.buffer.readline()")
    for stream in (io.BytesIO(PLAIN), io.BytesIO(WHOLE * 200)):
        with pytest.raises(InputError, match="worker process ended"):
            verify(stream, jobs=2)


def test_no_worker_outlives_a_verification_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(subprocess, "Popen", Watched)
    with pytest.raises(InputError, match="Input/output error"):
        verify(Broken(PLAIN), jobs=3)
    assert len(started) == 3
    assert all(process.returncode is not None for process in started)


def test_an_interrupt_ends_the_workers_too() -> None:
    command = [sys.executable, "-m", "governlayer_verifier.cli", "-", "--key", KEY.vkey, "--jobs", "2"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    # Once the pipe is emptied the command has been reading for some time.
    process.stdin.write(PLAIN[:-500] * 200)
    process.stdin.flush()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"gl-verify: interrupted\n")
    assert len(children) == 2
    assert not any(os.path.exists(f"/proc/{child}") for child in children)  # noqa: PTH110


def test_workers_import_nothing_that_can_open_a_connection() -> None:
    program = (
        "import sys; import governlayer_verifier.workers; "
        "print(sorted({'socket', 'ssl', 'http', 'asyncio', 'urllib.request', '_socket'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout == "[]\n", result.stderr
