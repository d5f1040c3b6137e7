"""A verifier streams: memory independent of the dump's length (ledger-v1 §8), spools, long lines."""

import hashlib
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from governlayer_verifier import InputError, verify
from governlayer_verifier.block import split_lines
from governlayer_verifier.reader import BLOCK_BYTES, MAX_LINE_BYTES, read_blocks
from governlayer_verifier.spool import Spool
from governlayer_verifier.tree import Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import KEY, Ledger, sign_note, to_line


def generated(records: int) -> Iterator[bytes]:
    """The lines of a dump in which each retention record accounts for the 999 records before it."""
    ledger, tree = Ledger(), Tree(0)
    prev_hash, commitment = ledger.genesis, "ab" * 32
    yield ledger.header(0, records - 1, ["content"])
    for seq in range(records):
        erases = seq % 1000 == 999
        body = f'{{"basis":"retention","names":["*"],"ranges":[[{seq - 999},{seq - 1}]]}}' if erases else "{}"
        line = (
            f'{{"actor":{{"id":"key_1","kind":"api_key"}},"body":{body},"commitments":{{"content":"{commitment}"}},'
            f'"prev_hash":"{prev_hash}","seq":{seq},"time":"2026-11-23T00:00:00.000000Z",'
            f'"type":"{"retention" if erases else "decision"}","v":1}}'
        ).encode()
        prev_hash = hashlib.sha256(line).hexdigest()
        tree.append(hashlib.sha256(b"\0" + line).digest())
        yield line
    yield to_line({"checkpoint": sign_note(ledger.origin, records, tree.root(records), KEY)})
    yield to_line({"end": {"head_hash": prev_hash, "records": records}})


def write_dump(path: Path, records: int) -> Path:
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in generated(records))
    return path


def high_water_kib(path: Path) -> int:
    """The most memory that a process verifying *path* ever had."""
    program = (
        "import re, sys; from pathlib import Path; from governlayer_verifier import cli; cli.main(sys.argv[1:]); "
        "print(re.search('VmHWM:[^0-9]*([0-9]+)', Path('/proc/self/status').read_text())[1])"
    )
    command = [sys.executable, "-c", program, str(path), "--key", KEY.vkey]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(result.stdout.splitlines()[-1])


def test_memory_does_not_grow_with_the_length_of_the_dump(tmp_path: Path) -> None:
    long = write_dump(tmp_path / "long", 50_000)
    report = verify(long.open("rb"), keys=[KEY.vkey])
    # Every thousandth record commits to a payload that nothing erases: the retention records themselves.
    assert (report.records, report.step(11).count) == (50_000, 50)
    assert [step.step for step in report.steps if step.status == "fail"] == [11]
    # Both are longer than a block. Three spools keep up to 1 MiB each in memory.
    assert high_water_kib(long) - high_water_kib(write_dump(tmp_path / "short", 12_000)) < 6_000


def test_a_process_stays_small_on_a_dump_larger_than_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(Ledger().header(0, 10) + b"\n")
        for _ in range(100):
            file.write((b'{"x":"' + b"y" * 1000 + b'"}\n') * 1000)
    assert path.stat().st_size > 100_000_000
    assert high_water_kib(path) < 60_000


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60_000), st.sampled_from([13, 32, 52]))
def test_a_spool_gives_back_what_was_put_there(count: int, width: int) -> None:
    spool = Spool(width)
    for index in range(count):
        spool.append(index.to_bytes(width, "big"))
    assert len(spool) == count
    for index in {0, count // 2, count - 1} - {-1}:
        if count:
            assert int.from_bytes(spool[index], "big") == index
    assert [int.from_bytes(each, "big") for each in spool] == list(range(count))
    with pytest.raises(IndexError):
        spool[count]
    with pytest.raises(IndexError):
        spool[-1]
    spool.close()


def test_a_spool_may_be_read_between_two_writes() -> None:
    spool = Spool(32)
    for index in range(100_000):
        spool.append(index.to_bytes(32, "big"))
        if index % 9999 == 0:
            assert int.from_bytes(spool[index // 2], "big") == index // 2
    assert len(list(spool)) == 100_000
    spool.close()


def test_no_room_for_temporary_files_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    spool = Spool(1 << 19)
    spool.append(bytes(1 << 19))
    with pytest.raises(InputError, match="temporary file: No space left"):
        spool.append(bytes(1 << 19))


def test_lines_over_the_limit_are_passed_over_without_being_kept() -> None:
    most = MAX_LINE_BYTES
    data = b"a\n" + b"x" * (most + 1) + b"\nb\n" + b"y" * most + b"\n" + b"z" * 9 * most + b"\nc"
    blocks = list(read_blocks(io.BytesIO(data)))
    lines = [line for block in blocks for line in split_lines(block.data)]
    assert [line[:1] for line in lines] == [b"a", b"x", b"b", b"y", b"z", b"c"]
    assert [len(line) for line in lines] == [1, most + 1, 1, most, most + 1, 1]
    assert sum(block.dropped for block in blocks) == 8 * most - 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=30), st.booleans())
def test_blocks_are_the_stream_cut_behind_newlines(lengths: list[int], ends: bool) -> None:
    unit = BLOCK_BYTES // 16
    data = b"\n".join(b"x" * (length * unit) for length in lengths) + b"\n" * ends
    blocks = list(read_blocks(io.BytesIO(data)))
    assert b"".join(block.data for block in blocks) == data
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])
    assert [block.offset for block in blocks] == [
        sum(len(each.data) for each in blocks[:index]) for index in range(len(blocks))
    ]


def test_a_pipe_that_gives_little_at_a_time_is_cut_in_the_same_places() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 70_001))

    data = (b"x" * 1000 + b"\n") * 5000
    assert list(read_blocks(Slow(data))) == list(read_blocks(io.BytesIO(data)))


def test_the_last_line_needs_no_newline() -> None:
    assert split_lines(b"a\n\nb") == split_lines(b"a\n\nb\n") == [b"a", b"", b"b"]


def test_an_error_while_reading_is_an_input_error() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise OSError(5, "Input/output error")

    with pytest.raises(InputError, match="Input/output error"):
        verify(io.BufferedReader(Broken()))
