"""
One small file per ledger, shared by all threads and processes of a host.

A file is replaced as a whole (written beside, flushed, renamed) under a lock, by a function of what it held: of two
processes, neither undoes what the other has learned, and a crash leaves the old file or the new one. Readers need no
lock. A file that cannot be read is an error and never a fresh start, which is what an attacker would wish for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import msgspec
from filelock import FileLock, Timeout

from ._keys import PinnedKey
from ._note import FormatError, parse_checkpoint, parse_key, signers
from ._receipt import Sighting
from ._state import Change, LedgerState
from .errors import ConfigurationError, LedgerStateError

_LOCK_WAIT_S: Final = 5.0
_MAX_BYTES: Final = 1_000_000
_PLAIN: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # each where the system has it


class _Newest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: str
    seq: int
    hash: str
    prev_hash: str
    time: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    origin: str
    anchors: tuple[str, ...]
    keys: tuple[PinnedKey, ...]
    newest: _Newest
    v: Literal[1]


class FileStore:
    """
    Keeps it in a directory of its own, readable by its owner only.

    Args:
        directory: made where it is missing.

    Raises:
        ConfigurationError: the directory cannot be made or written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._evidence = directory / "evidence"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            usable = False
        else:
            usable = os.access(directory, os.W_OK | os.X_OK)
        if not usable:
            raise ConfigurationError(
                f"the state directory {directory} cannot be written: set GOVERNLAYER_STATE_DIR or state_dir, or "
                "state_dir=None to remember ledgers in memory only"
            )

    def load(self, origin: str) -> LedgerState | None:
        """
        Return what is known of *origin*, None if nothing is.

        Raises:
            LedgerStateError: the file is torn, of something else, or cannot be read. It stays as it is.
        """
        path = self._path(origin)
        try:
            return _read(_bytes_of(path), origin)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerStateError(f"{path} cannot be read: {error.strerror}") from None
        except ValueError:  # FormatError and msgspec's errors are ValueErrors
            raise LedgerStateError(
                f"{path} is not what this client wrote for {origin}. Put a copy back; or, if you know why it is so, "
                "move it away, and the ledger is remembered anew from its next answer on"
            ) from None

    def sizes(self) -> Mapping[str, int]:
        """
        Return the size of each ledger's newest checkpoint, by origin, without the files that cannot be read.

        Those are refused by :meth:`load` once an answer is of their ledger.
        """
        return dict(self._readable_sizes())

    def _readable_sizes(self) -> Iterator[tuple[str, int]]:
        for path in self._directory.glob("*.json"):
            with suppress(OSError, ValueError):
                data = _bytes_of(path)
                origin = msgspec.json.decode(data, type=_File).origin
                yield origin, _read(data, origin).newest.checkpoint.size

    def update(self, origin: str, change: Change) -> LedgerState:
        """
        Replace what is known of *origin* by what *change* makes of it; return that.

        Raises:
            LedgerStateError: it cannot be read, written or locked; what was there stays.
        """
        path = self._path(origin)
        try:
            with FileLock(f"{path}.lock", timeout=_LOCK_WAIT_S, mode=0o600):
                before = self.load(origin)
                after = change(before)
                if after is not before:
                    _replace(path, _written(after))
                return after
        except Timeout:
            raise LedgerStateError(f"{path} is locked by another process") from None
        except OSError as error:
            raise LedgerStateError(f"{path} cannot be written: {error.strerror}") from None

    def accuse(self, origin: str, kept: str, seen: str, at: str) -> tuple[Path, ...]:
        """
        Write two signed checkpoints of *origin* into files of their own; return their paths.

        Raises:
            LedgerStateError: they cannot be written.
        """
        try:
            self._evidence.mkdir(mode=0o700, exist_ok=True)
            return (
                _create(self._evidence, f"{_file_name(origin)}-{at}", "kept", kept),
                _create(self._evidence, f"{_file_name(origin)}-{at}", "seen", seen),
            )
        except OSError as error:
            raise LedgerStateError(f"{self._evidence} cannot be written: {error.strerror}") from None

    def evidence(self, origin: str) -> tuple[Path, ...] | None:
        """
        Return the files of evidence against *origin*, None if there are none.

        Raises:
            LedgerStateError: it cannot be told.
        """
        own = f"{_file_name(origin)}-"
        try:
            return tuple(sorted(path for path in self._evidence.iterdir() if path.name.startswith(own))) or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerStateError(f"{self._evidence} cannot be read: {error.strerror}") from None

    def _path(self, origin: str) -> Path:
        return self._directory / f"{_file_name(origin)}.json"


def _file_name(origin: str) -> str:
    """
    Return a name that no other origin has, also where case does not count.

    It holds no separator: what could be one is escaped, and the hash tells apart what was cut or differs in case.
    """
    return f"{quote(origin, safe='')[:100]}-{hashlib.sha256(origin.encode()).hexdigest()[:16]}"


def _bytes_of(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | _PLAIN), "rb") as file:
        return file.read(_MAX_BYTES)


def _read(data: bytes, origin: str) -> LedgerState:
    held = msgspec.json.decode(data, type=_File)
    checkpoint = parse_checkpoint(held.newest.note)
    if not held.origin == checkpoint.origin == origin:
        raise FormatError("of another ledger")
    if not signers(checkpoint, [parse_key(key.vkey) for key in held.keys]):
        raise FormatError("not signed")
    newest = Sighting(checkpoint, held.newest.seq, held.newest.hash, held.newest.prev_hash, held.newest.time)
    return LedgerState(held.anchors, held.keys, newest)


def _written(state: LedgerState) -> bytes:
    newest = state.newest
    held = _File(
        origin=state.origin,
        anchors=state.anchors,
        keys=state.keys,
        newest=_Newest(newest.checkpoint.note, newest.seq, newest.hash, newest.prev_hash, newest.time),
        v=1,
    )
    return msgspec.json.format(msgspec.json.encode(held)) + b"\n"


def _replace(path: Path, data: bytes) -> None:
    """Put *data* at *path* as one step that survives a power cut; the caller holds the lock."""
    beside = path.with_suffix(".tmp")  # what a crash left there is overwritten
    _write(beside, data, os.O_TRUNC)
    beside.replace(path)
    _flush_directory(path.parent)


def _create(directory: Path, stem: str, role: str, text: str) -> Path:
    """Write a new file; where the name is taken, another one. Nothing is ever overwritten."""
    for number in range(1, 1000):
        path = directory / f"{stem}{'' if number == 1 else f'-{number}'}-{role}.txt"
        with suppress(FileExistsError):
            _write(path, text.encode(), os.O_EXCL)
            _flush_directory(directory)
            return path
    raise FileExistsError(f"{stem} is taken")


def _write(path: Path, data: bytes, how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | _PLAIN | how, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_directory(directory: Path) -> None:
    """Make a new name in *directory* durable, where the system can."""
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
