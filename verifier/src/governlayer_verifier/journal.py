"""``--resume STATE``: what was verified so far, so that a run that was stopped goes on where it was.

STATE is a text file. Its first line binds it to this version of the verifier, to the header of the dump and to what was
asked for; each further line holds the part of one block with the block's place and SHA-256. Every line begins with the
SHA-256 of its rest, so a line that a crash left half-written is not taken for one; it is written again.

A resumed run reads the dump from its beginning all the same, hashes each block that STATE knows and takes the part only
if the hash is the same; so a dump that was changed anywhere, before or after where the run was stopped, is never judged
by what it was. What STATE saves is the checking, which takes several times as long as hashing. STATE itself is trusted
like the verifier: whoever can write it can write "valid" there.
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from governlayer_verifier.errors import InputError
from governlayer_verifier.part import Part
from governlayer_verifier.partjson import read_part, write_part
from governlayer_verifier.reader import BLOCK_BYTES, Block
from governlayer_verifier.version import __version__

_SYNC_EVERY_S = 5.0
_DIGEST_CHARACTERS = 64
_LONGEST_FIRST_LINE = 1 << 16


Place = dict[str, str | int]


class Journal:
    """The parts that a file keeps; ``close`` leaves it there, ``remove`` does not."""

    def __init__(self, path: str, asked: str, header: str) -> None:
        """
        Open or make the file.

        Args:
            path: of STATE.
            asked: digest of the arguments.
            header: digest of the first line of the dump.

        Raises:
            InputError: it cannot be opened, is no such file, or was written by another run. It stays as it was.
        """
        self.path = path
        self._synced_s = time.monotonic()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            self._file: BinaryIO = os.fdopen(descriptor, "r+b")
            self._bind(
                {"version": __version__, "block size": BLOCK_BYTES, "arguments": asked, "header of the dump": header}
            )
        except OSError as error:
            raise InputError(f"cannot use {path}: {error.strerror or error}") from None

    def known(self) -> Iterator[tuple[Place, str]]:
        """Yield the place and the written part of each block, up to the first line that is not whole."""
        while True:
            position = self._file.tell()
            text = _unsealed(self._file.readline())
            if text is None:
                # What follows was not written to its end.
                self._file.seek(position)
                self._file.truncate()
                return
            place, _, part = text.partition(" ")
            yield json.loads(place), part

    def keep(self, place: Place, part: Part) -> None:
        """
        Add the part of a block.

        Raises:
            InputError: it cannot be written.
        """
        try:
            self._file.write(_sealed(f"{json.dumps(place, separators=(',', ':'))} {write_part(part)}"))
            self._file.flush()
            if time.monotonic() - self._synced_s >= _SYNC_EVERY_S:
                os.fsync(self._file.fileno())
                self._synced_s = time.monotonic()
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from None

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()

    def remove(self) -> None:
        """Delete the file, as it is not needed any more."""
        self.close()
        with suppress(OSError):
            Path(self.path).unlink()

    def _bind(self, binding: Place) -> None:
        line, expected = self._file.readline(_LONGEST_FIRST_LINE), _sealed(json.dumps(binding))
        if expected.startswith(line) and line != expected:
            # New, or the run before was stopped while it wrote this line.
            self._file.seek(0)
            self._file.truncate()
            self._file.write(expected)
            self._file.flush()
        elif line != expected:
            self._refuse(line, binding)

    def _refuse(self, line: bytes, binding: Place) -> None:
        text = _unsealed(line)
        if text is None:
            raise InputError(f"{self.path} is not a state of gl-verify; it was left as it is")
        found = json.loads(text)
        different = [name for name, value in binding.items() if found.get(name) != value]
        what = f"{self.path} is the state of another run: not the same {', '.join(different)}"
        raise InputError(f"{what}; delete it to begin anew")


def kept(
    journal: Journal, check: Callable[[Iterable[Block]], Iterator[Part]], blocks: Iterator[Block]
) -> Iterator[Part]:
    """
    Yield the parts of *blocks*: those that *journal* has, each held against its block, then those that *check* finds.

    Raises:
        InputError: the dump is not the one that was verified, or *journal* cannot be written.
    """
    for place, written in journal.known():
        block = next(blocks, None)
        if block is None or _place_of(block) != place:
            what = f"the dump is not the one of {journal.path}: what that run verified differs"
            raise InputError(f"{what}, from byte {place['offset']:,} on; delete it to begin anew")
        yield read_part(written)
    places: deque[Place] = deque()

    def noted() -> Iterator[Block]:
        for block in blocks:
            places.append(_place_of(block))
            yield block

    for part in check(noted()):
        journal.keep(places.popleft(), part)
        yield part


def _place_of(block: Block) -> Place:
    # Where a block stands, and what it holds.
    return {"offset": block.offset, "length": len(block.data), "sha256": sha256(block.data).hexdigest()}


def _sealed(text: str) -> bytes:
    return f"{sha256(text.encode()).hexdigest()} {text}\n".encode()


def _unsealed(line: bytes) -> str | None:
    if not line.endswith(b"\n"):
        return None
    digest, text = line[:_DIGEST_CHARACTERS], line[_DIGEST_CHARACTERS + 1 : -1]
    return text.decode() if sha256(text).hexdigest().encode() == digest else None
