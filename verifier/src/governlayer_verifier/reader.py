"""Reading a dump as a stream of lines: plain, gzip or zstd, with a limit on the length of a line."""

import gzip
import importlib
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from governlayer_verifier.dump import MAX_PAYLOAD_BYTES
from governlayer_verifier.errors import InputError

# A payload of 1 MiB in which every byte takes a \u00xx escape, and the members around it.
MAX_LINE_BYTES = 6 * MAX_PAYLOAD_BYTES + 4096

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BUFFER_BYTES = 1 << 18
_ZSTD_MODULES = ("compression.zstd", "backports.zstd", "pyzstd", "zstandard")


def open_dump(path: str) -> BinaryIO:
    """
    Return the bytes of the dump at *path*, decompressed; ``-`` is standard input.

    Raises:
        InputError: it cannot be opened, or is zstd and nothing here can decompress that.
    """
    if path == "-":
        return decompressed(sys.stdin.buffer)
    try:
        return decompressed(Path(path).open("rb"))
    except OSError as error:
        raise InputError(f"cannot open {path}: {error.strerror or error}") from None


def decompressed(raw: BinaryIO) -> BinaryIO:
    """
    Return *raw*, or what it decompresses to where it begins as gzip or zstd does.

    Raises:
        InputError: it cannot be read, or is zstd and nothing here can decompress that.
    """
    try:
        head = raw.read(4)
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror or error}") from None
    source = io.BufferedReader(_Rejoined(head, raw), _BUFFER_BYTES)
    if head.startswith(_GZIP_MAGIC):
        return io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=source)), _BUFFER_BYTES)
    if head == _ZSTD_MAGIC:
        return io.BufferedReader(_open_zstd(cast("BinaryIO", source)), _BUFFER_BYTES)
    return source


def read_lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """
    Yield each line of *stream* without its newline; None stands for one that is over the limit.

    Raises:
        InputError: reading or decompressing fails.
    """
    try:
        while line := stream.readline(MAX_LINE_BYTES + 1):
            if line[-1:] == b"\n":
                yield line[:-1]
            elif len(line) <= MAX_LINE_BYTES:
                yield line
            else:
                _skip_line(stream)
                yield None
    except EOFError:
        raise InputError("the compressed data ends early: it is cut off") from None
    except (OSError, zlib.error) as error:
        raise InputError(f"cannot read: {error}") from None
    except Exception as error:
        # Packages for zstd raise errors of their own, by different names.
        if type(error).__module__.partition(".")[0] in _ZSTD_PACKAGES:
            raise InputError(f"cannot decompress: {error}") from None
        raise


def _skip_line(stream: BinaryIO) -> None:
    while piece := stream.readline(_BUFFER_BYTES):
        if piece[-1:] == b"\n":
            return


_ZSTD_PACKAGES = frozenset({"compression", "backports", "pyzstd", "zstandard", "_zstd", "zstd"})


def _open_zstd(source: BinaryIO) -> Any:
    for name in _ZSTD_MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            return module.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        return module.ZstdFile(source)
    raise InputError(
        "this is zstd, which this Python cannot decompress: use zstd -dc FILE | gl-verify -, "
        "or install the package zstandard"
    )


class _Rejoined(io.RawIOBase):
    """The bytes of *head*, then those of *rest*."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill *buffer* and return how many bytes were put there."""
        piece, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        piece = piece or self._rest.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close what is read from, unless it is standard input."""
        if self._rest is not sys.stdin.buffer:
            self._rest.close()
        super().close()
