"""The command gl-verify: arguments, exit status, messages, kinds of input."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from governlayer_verifier import __version__, cli

from tests.verifier.ledger_writer import KEY, SECOND_KEY, sample_ledger

LEDGER = sample_ledger(20)
DUMP = LEDGER.dump(names=("content", "context"))
SCRIPT = [sys.executable, "-m", "governlayer_verifier.cli"]


def run(*arguments: str, stdin: bytes = b"", **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SCRIPT, *arguments], input=stdin, capture_output=True, check=False, timeout=60, **more)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "good.gldump"
    path.write_bytes(DUMP)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.gldump"
    path.write_bytes(DUMP.replace(b'"score":7', b'"score":8'))
    return path


def test_status_0_when_all_that_was_asked_for_holds(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(dump), "--key", KEY.vkey]) == 0
    out = capsys.readouterr().out
    steps = [line for line in out.splitlines() if line.startswith(("PASS", "FAIL", "NOT"))]
    assert [int(line[11:14]) for line in steps] == list(range(1, 13))
    assert "VALID: everything that was asked for holds." in out
    assert "cannot be excluded" in out
    assert LEDGER.head(20) in out


def test_status_1_when_a_step_fails(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(bad), "--key", KEY.vkey]) == 1
    out = capsys.readouterr().out
    assert "FAIL         5 link       record 8, line " in out
    assert "; expected " in out
    assert "; found " in out
    assert "INVALID: the ledger fails steps 5, 8." in out


def test_status_3_without_a_key(dump: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(dump)]) == 3
    out = capsys.readouterr().out
    assert "NOT CHECKED  9 signatures no trusted key was given (--key)" in out
    assert "INCOMPLETE" in out
    assert cli.main([str(bad)]) == 1


def test_checkpoints_and_receipts_come_from_files(dump: Path, tmp_path: Path) -> None:
    checkpoint, receipt = tmp_path / "kept.txt", tmp_path / "kept.tlog-proof"
    checkpoint.write_text(LEDGER.note(13))
    receipt.write_text(LEDGER.receipt(4, 13))
    asked = ["--key", KEY.vkey, "--checkpoint", str(checkpoint), "--receipt", str(receipt)]
    assert cli.main([str(dump), *asked]) == 0
    receipt.write_text(LEDGER.receipt(4, 13, SECOND_KEY))
    assert cli.main([str(dump), *asked]) == 1
    receipt.write_text("nonsense")
    assert cli.main([str(dump), *asked]) == 2


def test_json_is_one_object_with_the_verdict(dump: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([str(dump), "--key", KEY.vkey, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["exit_status"], report["records"]) == ("valid", 0, 20)
    assert cli.main([str(bad), "--key", KEY.vkey, "--json"]) == 1
    failure = json.loads(capsys.readouterr().out)["steps"][4]["failures"][0]
    assert list(failure) == ["seq", "line", "what", "expected", "found"]
    assert failure["seq"] == 8
    assert cli.main(["/nonexistent", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["verdict"] == "unreadable"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no DUMP"),
        (["/nonexistent/file"], "cannot open /nonexistent/file: No such file"),
        (["/"], "cannot open /: Is a directory"),
        (["{dump}", "--key", "nonsense"], "key 1: a verifier key is"),
        (["{dump}", "--key", "caf\udce9+00000000+AAAA"], "key 1:"),
        (["{dump}", "--origin", "a b"], "the origin is not"),
        (["{dump}", "--genesis", "xyz"], "the genesis hash is not"),
        (["{dump}", "--checkpoint", "/nonexistent"], "cannot open /nonexistent"),
        (["{dump}", "--checkpoint", "{dump}"], "checkpoint 1: not a signed note"),
        (["{dump}", "--receipt", "{dump}"], "receipt 1: not a receipt"),
        (["{dump}", "--checkpoint", "{binary}"], "is not UTF-8"),
        (["{dump}", "--checkpoint", "{large}"], "is longer than"),
    ],
)
def test_status_2_with_one_line_that_says_why(
    arguments: list[str], message: str, dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 1_100_000)
    paths = {"dump": dump, "binary": tmp_path / "binary", "large": tmp_path / "large"}
    assert cli.main([each.format(**paths) for each in arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("gl-verify: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["--nonsense"], ["a", "b"], ["a", "--key"]])
def test_status_2_for_arguments_that_do_not_exist(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2


def test_help_shows_examples_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    for text in ("examples:", "exit status:", "--self-test", "  130  interrupted", "standard input"):
        assert text in out


def test_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, f"gl-verify {__version__}\n")


def test_self_test_passes_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--self-test"]) == 0
    assert " 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_standard_input_is_read(packed: bool) -> None:
    result = run("-", "--key", KEY.vkey, stdin=gzip.compress(DUMP) if packed else DUMP)
    assert (result.returncode, result.stderr) == (0, b"")
    assert run("-", "--key", KEY.vkey).returncode == 1


def test_gzip_is_recognized_by_its_bytes_and_may_have_several_members(tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(gzip.compress(DUMP[:2000]) + gzip.compress(DUMP[2000:]))
    assert cli.main([str(path), "--key", KEY.vkey]) == 0


def damaged_gzip() -> list[bytes]:
    packed = gzip.compress(DUMP)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0x55
    wrong_sum = packed[:-8] + bytes(8)
    return [packed[:-20], packed[:5], bytes(flipped), wrong_sum, b"\x1f\x8b garbage", packed + b"garbage"]


@pytest.mark.parametrize("packed", damaged_gzip(), ids=["cut", "head", "flipped", "sum", "garbage", "trailing"])
def test_damaged_gzip_is_unreadable(packed: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed)
    assert cli.main([str(path), "--key", KEY.vkey]) in (1, 2)
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.err.startswith("gl-verify: ") or "INVALID" in captured.out


ZSTD = zstandard.ZstdCompressor()
SKIPPED_FRAME = b"\x5a\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"index"


def test_zstd_needs_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dump.zst"
    path.write_bytes(ZSTD.compress(DUMP))
    for name in ("compression.zstd", "backports.zstd", "pyzstd", "zstandard"):
        monkeypatch.setitem(sys.modules, name, None)
    assert cli.main([str(path), "--key", KEY.vkey]) == 2
    assert "zstd -dc FILE | gl-verify -" in capsys.readouterr().err


@pytest.mark.parametrize(
    "packed",
    [
        ZSTD.compress(DUMP),
        ZSTD.compress(DUMP[:2000]) + ZSTD.compress(b"") + ZSTD.compress(DUMP[2000:]),
        SKIPPED_FRAME + ZSTD.compress(DUMP[:3000]) + SKIPPED_FRAME + ZSTD.compress(DUMP[3000:]),
    ],
    ids=["one", "many", "skipped"],
)
def test_zstd_is_read_whatever_its_frames(packed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(packed)
    assert cli.main([str(path), "--key", KEY.vkey]) == 0
    assert cli.main([str(path), "--key", KEY.vkey, "--jobs", "2"]) == 0


@pytest.mark.parametrize("pack", [gzip.compress, ZSTD.compress], ids=["gzip", "zstd"])
def test_compressed_data_that_is_cut_off_is_unreadable(
    pack: Callable[[bytes], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, packed = tmp_path / "cut", pack(DUMP[:2000]) + pack(DUMP[2000:])
    boundary = len(pack(DUMP[:2000]))
    for length in {*range(5, len(packed), 61), boundary - 1, boundary + 5, len(packed) - 1} - {boundary}:
        path.write_bytes(packed[:length])
        assert cli.main([str(path), "--key", KEY.vkey]) == 2, length
        assert "the compressed data ends early: it is cut off" in capsys.readouterr().err


@pytest.mark.parametrize("tail", [b"garbage", ZSTD.compress(DUMP)[:3], b"\x28\xb5\x2f\xfd\xff\xff\xff\xff"])
def test_zstd_with_something_else_behind_it_is_unreadable(
    tail: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "dump"
    path.write_bytes(ZSTD.compress(DUMP) + tail)
    assert cli.main([str(path), "--key", KEY.vkey]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_an_interrupt_is_status_130(dump: Path) -> None:
    process = subprocess.Popen(
        [*SCRIPT, "-", "--key", KEY.vkey], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    # Once the pipe is emptied the command has been reading for some time.
    process.stdin.write(DUMP[:-500] * 40)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b"gl-verify: interrupted\n"


def test_a_reader_that_leaves_does_not_change_the_status(dump: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run([*SCRIPT, str(dump), "--key", KEY.vkey], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (process.returncode, process.stderr) == (0, b"")


def test_output_survives_a_terminal_without_unicode(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(DUMP.replace(b'"type":"decision"', '"type":"décision"'.encode(), 1))
    result = run(str(path), "--key", KEY.vkey, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr


def test_progress_is_shown_on_a_terminal_only(dump: Path) -> None:
    leader, follower = os.openpty()
    many = sample_ledger(1)
    lines = many.dump().splitlines(keepends=True)
    path = dump.parent / "long.gldump"
    path.write_bytes(b"".join(lines[:2]) + b'{"x":1}\n' * 25_000)
    process = subprocess.run([*SCRIPT, str(path)], stdout=subprocess.PIPE, stderr=follower, check=False, timeout=60)
    os.close(follower)
    shown = os.read(leader, 10_000)
    os.close(leader)
    assert process.returncode == 1
    assert b"\r10,000 lines  " in shown
    assert b" left\x1b[K" in shown
    assert shown.endswith(b"\r\x1b[K")
    assert run(str(path)).stderr == b""


def test_no_network_module_is_imported(dump: Path) -> None:
    program = (
        "import sys; from governlayer_verifier import cli; "
        f"status = cli.main([{str(dump)!r}, '--key', {KEY.vkey!r}]); cli.main(['--self-test']); "
        "print(status, sorted({'socket', 'ssl', 'http', 'asyncio', 'urllib.request', '_socket'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "0 []", result.stderr


def test_nothing_but_the_standard_library_is_imported() -> None:
    program = (
        "import sys; import governlayer_verifier.cli; "
        "print(sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    result = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=False,
                            env={"PYTHONPATH": str(Path(cli.__file__).parents[1])})  # fmt: skip
    assert result.stdout == "['__main__', 'governlayer_verifier']\n", result.stderr


def test_the_self_test_never_looks_like_a_verdict_on_a_dump(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--self-test", str(bad)]) == 2
    assert "name one or the other" in capsys.readouterr().err
