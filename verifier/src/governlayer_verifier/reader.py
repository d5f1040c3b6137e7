"""Reading a dump as blocks of whole lines: plain, gzip or zstd, with a limit on the length of a line."""

import gzip
import importlib
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, cast

from governlayer_verifier.dump import MAX_PAYLOAD_BYTES
from governlayer_verifier.errors import InputError

# A payload of 1 MiB in which every byte takes a \u00xx escape, and the members around it.
MAX_LINE_BYTES = 6 * MAX_PAYLOAD_BYTES + 4096
# Some hundred records to a few thousand: enough that what is done once per block does not count.
BLOCK_BYTES = 1 << 20

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BUFFER_BYTES = 1 << 18
# Four bytes may stand for 128 KiB, so this bounds what is decompressed at once.
_ZSTD_PIECE_BYTES = 1024
_ZSTD_MODULES = ("compression.zstd", "backports.zstd", "pyzstd", "zstandard")


def is_compressed(head: bytes) -> bool:
    """Return whether a file that begins with the four bytes *head* is gzip or zstd."""
    return head.startswith(_GZIP_MAGIC) or _is_zstd(head)


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
    if _is_zstd(head):
        return io.BufferedReader(_open_zstd(cast("BinaryIO", source)), _BUFFER_BYTES)
    return source


class Block(NamedTuple):
    """
    Whole lines of a stream, as they stand in it from byte *offset* on.

    Of a line over the limit only one byte more than the limit is kept, and ``dropped`` counts the others.
    """

    data: bytes
    offset: int
    dropped: int


def _is_zstd(head: bytes) -> bool:
    # Some writers begin with a frame that decompressors skip: 0x184D2A50 to 0x184D2A5F, least byte first.
    return head == _ZSTD_MAGIC or (head[1:] == b"\x2a\x4d\x18" and head[0] >> 4 == 5)


def read_header(stream: BinaryIO) -> bytes:
    """
    Return the first line of *stream* with its newline, at most one byte over the limit; b"" where there is none.

    Raises:
        InputError: reading or decompressing fails.
    """
    with _input_errors():
        line = stream.readline(MAX_LINE_BYTES + 1)
        piece = line
        while piece and not piece.endswith(b"\n"):
            piece = stream.readline(_BUFFER_BYTES)
    return line


def read_blocks(stream: BinaryIO, offset: int = 0) -> Iterator[Block]:
    """
    Yield the rest of *stream* as blocks of whole lines, of about 1 MiB; the last line may lack its newline.

    The same bytes are always cut in the same places.

    Args:
        stream: read to its end.
        offset: how much of it was read already, bytes.

    Raises:
        InputError: reading or decompressing fails.
    """
    rest, dropped = b"", 0
    while data := _read(stream):
        if len(rest) > MAX_LINE_BYTES:
            # The rest of a line over the limit.
            skipped = data.find(b"\n") if b"\n" in data else len(data)
            data, dropped = data[skipped:], dropped + skipped
        data = rest + data
        whole = data.rfind(b"\n") + 1
        if whole:
            yield Block(data[:whole], offset, dropped)
            offset, dropped = offset + whole + dropped, 0
        rest = data[whole : whole + MAX_LINE_BYTES + 1]
        dropped += len(data) - whole - len(rest)
    if rest:
        yield Block(rest, offset, dropped)


def _read(stream: BinaryIO) -> bytes:
    pieces, missing = [], BLOCK_BYTES
    with _input_errors():
        while missing and (piece := stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
    return b"".join(pieces)


@contextmanager
def _input_errors() -> Iterator[None]:
    try:
        yield
    except EOFError:
        raise InputError("the compressed data ends early: it is cut off") from None
    except (OSError, zlib.error) as error:
        raise InputError(f"cannot read: {error}") from None
    except Exception as error:
        # Packages for zstd raise errors of their own, by different names.
        if type(error).__module__.partition(".")[0] in _ZSTD_PACKAGES:
            raise InputError(f"cannot decompress: {error}") from None
        raise


_ZSTD_PACKAGES = frozenset({"compression", "backports", "pyzstd", "zstandard", "_zstd", "zstd"})


def _open_zstd(source: BinaryIO) -> Any:
    for name in _ZSTD_MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            return _ZstdFrames(source, module.ZstdDecompressor().decompressobj)
        return module.ZstdFile(source)
    raise InputError(
        "this is zstd, which this Python cannot decompress: use zstd -dc FILE | gl-verify -, "
        "or install the package zstandard"
    )


class _ZstdFrames(io.RawIOBase):
    """
    The frames of *source*, one after the other; *start* gives the decompressor of one.

    The stream reader of the package zstandard would end in silence where a frame is cut off.
    """

    def __init__(self, source: BinaryIO, start: Callable[[], Any]) -> None:
        self._source = source
        self._start = start
        self._frame: Any = None
        self._packed = self._plain = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill *buffer* and return how many bytes were put there."""
        while not self._plain and self._read():
            self._frame = self._frame or self._start()
            self._plain = self._frame.decompress(self._packed)
            self._packed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = None
        piece, self._plain = self._plain[: len(buffer)], self._plain[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _read(self) -> bool:
        self._packed = self._packed or self._source.read(_ZSTD_PIECE_BYTES)
        if not self._packed and self._frame is not None:
            raise EOFError
        return bool(self._packed)

    def close(self) -> None:
        """Close what is read from."""
        self._source.close()
        super().close()


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
