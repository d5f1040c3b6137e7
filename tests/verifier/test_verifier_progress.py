"""Progress on a terminal, and the count of bytes that it is taken from."""

import fcntl
import gzip
import hashlib
import io
import os
import pty
import struct
import sys
import termios
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from governlayer_verifier.progress import Progress
from governlayer_verifier.source import Source

from tests.verifier.ledger_writer import sample_ledger

DUMP = sample_ledger(200).dump()


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Stands still until it is told."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_lines_rate_share_and_time_left_are_shown_in_one_line_and_cleared() -> None:
    out, clock, read = Terminal(), Clock(), [0]
    with Progress(out, 1000, lambda: read[0], clock) as progress:
        clock.now_s, read[0] = 2.0, 250
        progress(10_000)
        clock.now_s, read[0] = 200.0, 500
        progress(20_000)
        clock.now_s, read[0] = 20_000.0, 501
        progress(1_234_567)
    assert out.getvalue().split("\r")[1:] == [
        "10,000 lines  5,000 lines/s  25%  6 s left\x1b[K",
        "20,000 lines  100 lines/s  50%  3 min 20 s left\x1b[K",
        "1,234,567 lines  62 lines/s  50%  5 h 32 min left\x1b[K",
        "\x1b[K",
    ]


def test_without_a_known_size_there_is_no_share() -> None:
    out, clock = Terminal(), Clock()
    with Progress(out, None, lambda: 5, clock) as progress:
        clock.now_s = 1.0
        progress(10_000)
    assert out.getvalue() == "\r10,000 lines  10,000 lines/s\x1b[K\r\x1b[K"


def test_it_is_rewritten_five_times_a_second_at_most() -> None:
    out, clock = Terminal(), Clock()
    with Progress(out, None, lambda: 0, clock) as progress:
        for step in range(100):
            clock.now_s = step / 50
            progress(step)
    assert out.getvalue().count("lines  ") <= 10


def test_nothing_is_written_where_there_is_no_terminal_or_nothing_was_shown() -> None:
    out = io.StringIO()
    with Progress(out, 10, lambda: 5) as progress:
        progress(10_000)
    assert out.getvalue() == ""
    terminal = Terminal()
    with Progress(terminal, 10, lambda: 5):
        pass
    assert terminal.getvalue() == ""


def test_a_narrow_terminal_is_not_overrun() -> None:
    leader, follower = pty.openpty()
    os.set_blocking(leader, False)
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 20, 0, 0))
    clock = Clock()
    with os.fdopen(follower, "w") as out, Progress(out, 1000, lambda: 1, clock) as progress:
        clock.now_s = 1.0
        progress(10_000)
        shown = os.read(leader, 1000).decode()
    os.close(leader)
    assert shown == "\r10,000 lines  10,00\x1b[K"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_source_counts_and_hashes_the_bytes_of_the_file(packed: bool, tmp_path: Path) -> None:
    path, content = tmp_path / "dump", gzip.compress(DUMP) if packed else DUMP
    path.write_bytes(content)
    with Source(str(path), hashed=True) as source:
        assert source.size_bytes == len(content)
        first = source.stream.readline()
        assert 0 < source.bytes_read <= len(content)
        assert first + source.stream.read() == DUMP
        assert source.bytes_read == len(content)
        assert source.sha256() == hashlib.sha256(content).hexdigest()


def test_the_sha256_takes_in_what_was_not_read(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(DUMP)
    with Source(str(path), hashed=True) as source:
        assert source.sha256() == hashlib.sha256(DUMP).hexdigest()
        assert source.bytes_read == len(DUMP)


def test_a_pipe_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    class Standard:
        buffer = cast("BinaryIO", io.BytesIO(DUMP))

    monkeypatch.setattr(sys, "stdin", Standard)
    with Source("-", hashed=True) as source:
        assert source.size_bytes is None
        assert source.stream.read() == DUMP
        assert source.sha256() == hashlib.sha256(DUMP).hexdigest()
    assert not Standard.buffer.closed
