"""Where backups are kept, what encrypts them, and what they are made of."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from governlayer_server.domain.backup import Column, Envelope, LedgerState, Manifest, Part, SequenceValue


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file of a store; *size* in bytes."""

    name: str
    size: int


class Writer(Protocol):
    """Takes the bytes of one file."""

    async def write(self, data: bytes) -> None:
        """
        Take *data* as the next bytes.

        Raises:
            Unavailable: the store does not take them. The file will not be there.
        """


class BackupStore(Protocol):
    """
    Files under names: one or more words of ``[A-Za-z0-9._-]``, joined by ``/``, none of them of dots alone.

    All methods raise Unavailable where the store does not answer as it should, and ValueError for other names.
    Its text names the destination.
    """

    def writer(self, name: str) -> AbstractAsyncContextManager[Writer]:
        """
        Write a file: it is there, durable and whole, when the context was left without an exception, and not before.

        One that is there under this name is replaced. The context raises Unavailable where that cannot be had.
        """

    def read(self, name: str) -> AsyncIterator[bytes]:
        """
        Yield the bytes of a file, some at a time.

        Raises:
            NotFound: there is none of this name.
        """

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """Return the whole files whose names begin with *prefix*, sorted; other sorts of names are passed over."""

    async def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

    async def sweep(self, prefix: str) -> None:
        """Remove what writers that were killed left under *prefix*, a folder that nobody writes to now."""


class FileKeys(Protocol):
    """Makes the keys of files, and finds them again in their envelopes."""

    async def new(self, backup_id: str, install_id: str, what: str) -> tuple[Envelope, bytes]:
        """
        Return the envelope of a new file key, and the key.

        Args:
            backup_id: of the backup that the files belong to.
            install_id: of the installation.
            what: they are: one word, which the envelope is bound to.

        Raises:
            ConfigurationError: there is no passphrase, or no key-encryption key.
            Unavailable: there is not enough memory for the passphrase's key.
        """

    async def open(self, envelope: Envelope, what: str) -> bytes:
        """
        Return the file key of *envelope*.

        Raises:
            BackupError: it does not open: another passphrase or key, or it is damaged.
            Unavailable: there is not enough memory for the passphrase's key.
        """


class Written(Struct, frozen=True, kw_only=True):
    """What was written: *size* in bytes and SHA-256 in hex of the file as it is stored."""

    size: int
    sha256: str


class SealedWriter(Protocol):
    """Takes the plaintext of one file."""

    async def write(self, data: bytes) -> None:
        """Take *data*; raises Unavailable where the store does not take it."""

    @property
    def written(self) -> Written:
        """What was written, once the context was left."""


class SealedFiles(Protocol):
    """The compressed and encrypted files of one backup: each opens under its own name in its own backup alone."""

    def writer(self, name: str, head: bytes = b"") -> AbstractAsyncContextManager[SealedWriter]:
        """Write a file, as ``BackupStore.writer`` does; *head* goes in front of it as it is."""

    def read(self, name: str, expected: Written | None = None, skip: int = 0) -> AsyncIterator[bytes]:
        """
        Yield the plaintext of a file, each piece of it authentic; that it is all of it is known at the end only.

        Args:
            name: of the file.
            expected: what was written, head included.
            skip: how long the head is.

        Raises:
            BackupError: it is missing, damaged, cut off, of another place, or not what was *expected*.
            Unavailable: the store does not answer.
        """


Take = Callable[[bytes], Awaitable[None]]
"""Takes the next bytes of a COPY in PostgreSQL's binary format."""
Key = tuple[object, ...]
"""A primary key, to page through a table by."""


class SourceTable(Struct, frozen=True, kw_only=True):
    """A table as the catalog knows it; *key* names the columns of its primary key, *bytes* is what it takes on disk."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rows: int
    bytes: int


class Snapshot(Protocol):
    """
    The whole database as it was at one moment, whatever is written meanwhile.

    All methods raise LedgerUnavailable where the database goes away.
    """

    @property
    def server_version(self) -> str:
        """The version of PostgreSQL."""

    async def migrations(self) -> Sequence[str]:
        """Return the ids of the migrations that were applied, oldest first."""

    async def tables(self) -> Sequence[SourceTable]:
        """Return all tables, sorted by name."""

    async def sequences(self) -> Sequence[SequenceValue]:
        """Return all sequences, sorted by name."""

    async def ledgers(self) -> Sequence[LedgerState]:
        """Return all ledgers, sorted by id."""

    async def vkeys(self) -> Sequence[str]:
        """Return the verifier keys of all Ed25519 signing keys, oldest first."""

    async def record_hash(self, ledger_id: str, seq: int) -> str | None:
        """Return the stored hash of a record in hex, None where there is no such record."""

    async def copy_records(self, table: SourceTable, ledger_id: str, first: int, last: int, take: Take) -> int:
        """Copy the records from *first* to *last*, inclusive; return how many there were."""

    async def page_end(self, table: SourceTable, after: Key | None, rows: int) -> Key | None:
        """Return the key of the last of *rows* rows after *after*; None where there are not that many."""

    async def copy_page(self, table: SourceTable, after: Key | None, up_to: Key | None, take: Take) -> int:
        """Copy the rows after *after* up to *up_to*, inclusive (None: all); return how many there were."""

    async def copy_now(self, table: SourceTable, take: Take) -> int:
        """Copy all rows as they are now, not as they were in the snapshot; return how many there were."""


ReadPart = Callable[[Part], AsyncIterator[bytes]]
"""Yields the rows of a part: a COPY in PostgreSQL's binary format."""


class Step(StrEnum):
    """How far a restore has come."""

    BEGUN = "begun"
    LOADED = "loaded"
    KEYED = "keyed"
    ENDED = "ended"


class Begun(Struct, frozen=True, kw_only=True):
    """A restore that has begun and not ended: of which backup, and the last step that is done."""

    backup_id: str
    step: Step


class RestoreTarget(Protocol):
    """
    A database that a backup is put into. Until ``finish`` nothing is served from it.

    All methods raise LedgerUnavailable where the database goes away: the step may or may not be done.
    """

    async def begun(self) -> Begun | None:
        """
        Return how far a restore into the database has come; None: it is empty.

        Raises:
            BackupError: it is not empty. Nothing was changed.
        """

    async def begin(self, backup_id: str) -> None:
        """Note that a restore of this backup has begun in the empty database."""

    async def make_schema(self, migrations: Sequence[str]) -> None:
        """
        Make the empty tables as these migrations make them.

        Raises:
            BackupError: this version does not know one of them.
        """

    async def load(self, manifest: Manifest, read: ReadPart) -> None:
        """
        Copy all rows, all or none of them.

        Raises:
            BackupError: a part is damaged, or the database does not take it. No row was copied.
        """

    async def upgrade(self) -> None:
        """Apply the migrations that the backup lacks."""

    async def load_subject_keys(self, columns: Sequence[str], rows: AsyncIterator[bytes]) -> None:
        """
        Copy the data subjects' keys, all or none of them; no columns: there were none.

        Raises:
            BackupError: they are damaged, or the database does not take them. None was copied.
        """

    async def finish(self) -> None:
        """Note that the restore has ended: from now on the database is one like any other."""
