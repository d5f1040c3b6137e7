"""Rows in the binary format of PostgreSQL's COPY (its documentation, COPY, "Binary Format"), read as they come."""

from collections.abc import Iterator
from struct import Struct

from governlayer_server.domain.errors import BackupError

_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER_BYTES = len(_SIGNATURE) + 8
_COUNT, _LENGTH = Struct(">h"), Struct(">i")
_END = -1
Row = tuple[bytes | None, ...]


class CopyRows:
    """Reads one COPY; only such without OIDs and header extensions, which is what PostgreSQL writes."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._ended = False
        self.count = 0

    def feed(self, data: bytes) -> Iterator[Row]:
        """
        Yield the rows that are whole with *data*; a field that is NULL is None.

        Raises:
            BackupError: it is no COPY.
        """
        self._rest += data
        at = self._header()
        while self._begun and not self._ended and (read := self._row(at)) is not None:
            row, at = read
            if row is not None:
                self.count += 1
                yield row
        self._rest = self._rest[at:]

    def finish(self) -> None:
        """
        Return if the COPY is whole.

        Raises:
            BackupError: it is not.
        """
        if not self._ended or self._rest:
            raise BackupError("rows of the backup are cut off, or something follows them")

    def _header(self) -> int:
        if self._begun or len(self._rest) < _HEADER_BYTES:
            return 0
        if self._rest[:_HEADER_BYTES] != _SIGNATURE + bytes(8):
            raise BackupError("rows of the backup are not in PostgreSQL's binary format")
        self._begun = True
        return _HEADER_BYTES

    def _row(self, at: int) -> tuple[Row | None, int] | None:
        """Return the row at *at* and where the next one is; (None, …) at the end, None where it is not whole yet."""
        data = self._rest
        if len(data) < at + _COUNT.size:
            return None
        (count,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size
        if count == _END:
            self._ended = True
            return None, at
        fields: list[bytes | None] = []
        for _ in range(count):
            if len(data) < at + _LENGTH.size:
                return None
            (length,) = _LENGTH.unpack_from(data, at)
            at += _LENGTH.size
            if length < 0:
                fields.append(None)
                continue
            if len(data) < at + length:
                return None
            fields.append(data[at : at + length])
            at += length
        return tuple(fields), at
