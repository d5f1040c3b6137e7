"""Dumps that were cut off: what is whole of one, and writing the rest of it."""

import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from governlayer_server.domain.errors import ConfigurationError


class _Range(Struct):
    first: int
    last: int
    origin: str
    payloads: tuple[str, ...]


class _Header(Struct):
    dump: _Range


class _Place(Struct):
    seq: int
    prev_hash: str


class Kept(Struct, frozen=True, kw_only=True):
    """
    What is kept of a dump that was cut off.

    Attributes:
        first: of its range.
        last: of its range, inclusive.
        origin: of the ledger.
        names: the payload names that it discloses.
        seq: the first record that is asked for again: the last one that is there may lack payloads.
        prev_hash: of the record before *seq*, 64 hex digits; empty where the dump has none before it.
        end: where the line of record *seq* begins, in bytes.
    """

    first: int
    last: int
    origin: str
    names: tuple[str, ...]
    seq: int
    prev_hash: str = ""
    end: int


def kept_of(file: IO[bytes]) -> Kept | None:
    """
    Return what can be kept of the dump in *file*, or None if not even its header is whole.

    Raises:
        ConfigurationError: it is no dump, its records do not follow each other, or it is whole already.
    """
    header = file.readline()
    if not header.endswith(b"\n"):
        return None
    try:
        about = msgspec.json.decode(header, type=_Header).dump
        seq, prev_hash, end = _last_record(file, about.first, len(header))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigurationError("this is not a dump that was cut off: it cannot be read") from None
    return Kept(
        first=about.first,
        last=about.last,
        origin=about.origin,
        names=about.payloads,
        seq=seq,
        prev_hash=prev_hash,
        end=end,
    )


def _last_record(file: IO[bytes], first: int, offset: int) -> tuple[int, str, int]:
    seq, prev_hash, end, newest = first, "", offset, ""
    places, expected = msgspec.json.Decoder(_Place), first
    for line in file:
        if not line.endswith(b"\n"):
            break
        if line.startswith(b'{"actor":'):
            place = places.decode(line)
            if place.seq != expected or (newest and place.prev_hash != newest):
                raise ConfigurationError(f"this dump cannot be gone on with: record {expected} does not follow")
            seq, prev_hash, end = place.seq, newest, offset
            newest, expected = sha256(line[:-1]).hexdigest(), expected + 1
        elif line.startswith(b'{"end":'):
            raise ConfigurationError("this dump is whole already")
        offset += len(line)
    return seq, prev_hash, end


def require_link(kept: Kept, line: bytes) -> None:
    """
    Return if *line*, the first of the rest, follows what is kept.

    Raises:
        ConfigurationError: the kept part is not of this ledger. Nothing was appended to it.
    """
    if kept.prev_hash and msgspec.json.decode(line, type=_Place).prev_hash != kept.prev_hash:
        raise ConfigurationError("the dump that was cut off is not one of this ledger as it stands: begin a new one")


def write_partly(output: Path, write: Callable[[IO[bytes], Kept | None], int]) -> int:
    """
    Write *output*, for its owner alone; what is written before an interruption stays in ``OUTPUT.part``.

    Args:
        output: where the whole dump goes.
        write: appends the dump, or the rest of the one that is kept, and returns how many records the whole dump has.

    Raises:
        ConfigurationError: the file cannot be written or is open to others, or what is kept of it cannot be gone on
            with.
    """
    partial = output.with_name(output.name + ".part")
    try:
        with open(partial, "r+b", opener=_open_private) as file:
            kept = kept_of(file)
            if kept is None:
                file.seek(0)
                file.truncate()
            result = write(file, kept)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(output)
    except OSError as error:
        raise ConfigurationError(f"{partial} cannot be written: {error.strerror}") from None
    return result


def _open_private(path: str, _: int) -> int:
    """Open *path*, made with mode 0600 if it is missing; what somebody else may have put there is not written to."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    status = os.fstat(descriptor)
    alone = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid()
    if not alone or status.st_mode & 0o077:
        os.close(descriptor)
        raise ConfigurationError(
            f"{path} must be a file of this user alone, with mode 600 and no other name: remove it, and begin again"
        )
    return descriptor
