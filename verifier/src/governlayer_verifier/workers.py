"""``--jobs``: blocks are checked by other processes of this program, and their parts come back in order.

A worker is asked over its standard input and answers over its standard output, one line of JSON each:

    parent ─► {"file":fd,"names":[…],"quick":false}   once
           ─► {"length":N,"offset":N}                 a block of the file that both have open
           ─► {"length":N} and the block itself       a block of a pipe, or of what was decompressed
    worker ─► the part, as partjson writes it

Workers are started with ``subprocess``: it needs nothing that can open a connection, and is there on every system.
"""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from governlayer_verifier.block import BlockChecker
from governlayer_verifier.errors import InputError
from governlayer_verifier.part import Part, Rules
from governlayer_verifier.partjson import read_part, write_part
from governlayer_verifier.reader import Block

MAX_JOBS = 64
# Imports from where this package lies, be it a folder or an archive, whatever the environment says.
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from governlayer_verifier.workers import work; work()"
_PLACE = str(Path(__file__).absolute().parents[1])
# One block in work, and one that waits.
_ASKED_AHEAD = 2


class Pool:
    """Worker processes for one dump; ``close`` ends them."""

    def __init__(self, jobs: int, rules: Rules, file: int | None) -> None:
        """
        Start the workers.

        Args:
            jobs: how many, 1 to 64.
            rules: what blocks are checked by.
            file: descriptor of a plain file that the workers read themselves; None where blocks are handed to them.
        """
        self._file = file
        self._workers = [_Worker(rules, self._file) for _ in range(jobs)]
        self._waiting: deque[_Worker] = deque()

    def check(self, blocks: Iterable[Block]) -> Iterator[Part]:
        """
        Yield the part of each of *blocks*, in order.

        Raises:
            InputError: a worker could not read, or ended.
        """
        # Only what fits into a pipe is sent to a worker whose answer waits to be read: neither may wait for the other.
        ahead = len(self._workers) * (1 if self._file is None else _ASKED_AHEAD)
        for number, block in enumerate(blocks):
            while len(self._waiting) >= (ahead if not block.dropped else 1):
                yield self._waiting.popleft().answer()
            worker = self._workers[number % len(self._workers)]
            if self._file is None or block.dropped:
                worker.hand(block.data)
            else:
                worker.ask(block.offset, len(block.data))
            self._waiting.append(worker)
        while self._waiting:
            yield self._waiting.popleft().answer()

    def close(self) -> None:
        """End the workers; what they are at is lost."""
        for worker in self._workers:
            worker.close()


class _Worker:
    def __init__(self, rules: Rules, file: int | None) -> None:
        command = [sys.executable, "-I", "-c", _PROGRAM, _PLACE]
        # No shell, and nothing in it comes from the dump or the user. In a group of its own, Ctrl-C goes to the parent.
        self._process = subprocess.Popen(  # noqa: S603  # nosec B603
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=() if file is None else (file,),
            process_group=0 if os.name == "posix" else None,
        )
        self._send({"file": file, "names": rules.names, "quick": rules.quick})

    def ask(self, offset: int, length: int) -> None:
        self._send({"length": length, "offset": offset})

    def hand(self, block: bytes) -> None:
        self._send({"length": len(block)}, block)

    def answer(self) -> Part:
        line = _pipe(self._process.stdout).readline()
        if not line.endswith(b"\n"):
            raise InputError("a worker process ended before its work was done")
        return read_part(line)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                _pipe(pipe).close()

    def _send(self, question: dict[str, Any], block: bytes = b"") -> None:
        pipe = _pipe(self._process.stdin)
        try:
            pipe.write(json.dumps(question).encode() + b"\n" + block)
            pipe.flush()
        except OSError:
            raise InputError("a worker process ended before its work was done") from None


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise InputError("a worker process has no pipe")
    return pipe


def work() -> None:
    """Be a worker until standard input ends."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    rules = json.loads(questions.readline())
    checker = BlockChecker(Rules(tuple(rules["names"]), rules["quick"]))
    while line := questions.readline():
        question = json.loads(line)
        length, offset = question["length"], question.get("offset")
        block = questions.read(length) if offset is None else _read_at(rules["file"], length, offset)
        if len(block) < length:
            return
        try:
            answers.write(write_part(checker.check(block)).encode() + b"\n")
            answers.flush()
        except BrokenPipeError:
            return


def _read_at(file: int, length: int, offset: int) -> bytes:
    pieces = []
    while length and (piece := os.pread(file, length, offset)):
        pieces.append(piece)
        length, offset = length - len(piece), offset + len(piece)
    return b"".join(pieces)
