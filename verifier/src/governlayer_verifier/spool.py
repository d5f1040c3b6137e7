"""A list of equally long byte strings that moves to a temporary file when it grows."""

import tempfile
from collections.abc import Iterator
from typing import IO

from governlayer_verifier.errors import InputError

_IN_MEMORY_BYTES = 1 << 20
_BLOCK_ITEMS = 4096


class Spool:
    """
    Fixed-width items in order, at most about 1 MiB of them in memory (ledger-v1 §8: memory independent of length).

    The temporary file has no name and vanishes with the process; it holds hashes and numbers, never payloads.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._tail = bytearray()
        self._file: IO[bytes] | None = None
        self._filed_bytes = 0

    def append(self, item: bytes) -> None:
        """Add *item*, which must be as wide as the spool; or several, one after the other."""
        self._tail += item
        if len(self._tail) >= _IN_MEMORY_BYTES:
            self._move_tail()

    def __len__(self) -> int:
        return (self._filed_bytes + len(self._tail)) // self._width

    def __getitem__(self, index: int) -> bytes:
        if index < 0 or index >= len(self):
            raise IndexError(index)
        return self.span(index, 1)

    def span(self, index: int, count: int) -> bytes:
        """Return *count* items from *index* on, joined; all of them must be there."""
        start, length = index * self._width, count * self._width
        filed = self._read(start, min(length, self._filed_bytes - start)) if start < self._filed_bytes else b""
        start = max(start - self._filed_bytes, 0)
        return filed + bytes(self._tail[start : start + length - len(filed)])

    def __iter__(self) -> Iterator[bytes]:
        block = _BLOCK_ITEMS * self._width
        for start in range(0, self._filed_bytes, block):
            yield from self._cut(self._read(start, min(block, self._filed_bytes - start)))
        yield from self._cut(bytes(self._tail))

    def close(self) -> None:
        """Give the disk space back."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self._filed_bytes = 0
        self._tail.clear()

    def _cut(self, block: bytes) -> Iterator[bytes]:
        for start in range(0, len(block), self._width):
            yield block[start : start + self._width]

    def _read(self, start: int, length: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(start)
        return self._file.read(length)

    def _move_tail(self) -> None:
        # Whole items only, so that no item lies half in the file.
        whole = len(self._tail) - len(self._tail) % self._width
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="gl-verify-")  # noqa: SIM115  closed by close()
            self._file.seek(self._filed_bytes)
            self._file.write(self._tail[:whole])
        except OSError as error:
            raise InputError(f"cannot write a temporary file: {error.strerror or error}") from None
        self._filed_bytes += whole
        del self._tail[:whole]
