"""The dump as a file: how much of it was read, and the SHA-256 of exactly the bytes that were."""

import hashlib
import io
import os
import stat
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from governlayer_verifier.errors import InputError
from governlayer_verifier.reader import decompressed, is_compressed

_STANDARD_INPUT = "-"
_REST_BYTES = 1 << 20


class Source:
    """
    The dump at a path, opened; ``stream`` is what it decompresses to.

    ``file`` is the descriptor of a plain file that worker processes may read as well; None where there is none.

    Args:
        path: of the dump; ``-`` is standard input.
        hashed: whether ``sha256`` will be asked for.

    Raises:
        InputError: it cannot be opened or decompressed.
    """

    def __init__(self, path: str, *, hashed: bool = False) -> None:
        try:
            raw = sys.stdin.buffer if path == _STANDARD_INPUT else Path(path).open("rb")  # noqa: SIM115  closed by _Tap
        except OSError as error:
            raise InputError(f"cannot open {path}: {error.strerror or error}") from None
        self._tap = _Tap(raw, hashed=hashed)
        self.size_bytes = _size_bytes(raw)
        # What is hashed must be what is checked, so then nobody else reads it.
        self.file = None if hashed or path == _STANDARD_INPUT else _plain_file(raw)
        try:
            self.stream = decompressed(cast("BinaryIO", self._tap))
        except InputError:
            self._tap.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stream.close()
        self._tap.close()

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file were read so far, compressed ones where it is compressed."""
        return self._tap.count

    def sha256(self) -> str:
        """
        Return the hex SHA-256 of all bytes of the file, reading what is left of it.

        Raises:
            InputError: the rest cannot be read.
        """
        try:
            while self._tap.read(_REST_BYTES):
                pass
        except OSError as error:
            raise InputError(f"cannot read: {error.strerror or error}") from None
        return self._tap.digest.hexdigest()


class _Tap(io.RawIOBase):
    """Passes on what *raw* gives, and counts it."""

    def __init__(self, raw: BinaryIO, *, hashed: bool) -> None:
        self._raw = raw
        self._hashed = hashed
        self.count = 0
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill *buffer* and return how many bytes were put there."""
        piece = self._raw.read(len(buffer))
        buffer[: len(piece)] = piece
        self.count += len(piece)
        if self._hashed:
            self.digest.update(piece)
        return len(piece)

    def close(self) -> None:
        """Close what is read from, unless it is standard input."""
        if self._raw is not sys.stdin.buffer:
            self._raw.close()
        super().close()


def _plain_file(raw: BinaryIO) -> int | None:
    # Elsewhere a file cannot be read at a place of one's own choice without moving the others' place.
    if os.name != "posix" or _size_bytes(raw) is None or is_compressed(os.pread(raw.fileno(), 4, 0)):
        return None
    return raw.fileno()


def _size_bytes(raw: BinaryIO) -> int | None:
    try:
        status = os.fstat(raw.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
