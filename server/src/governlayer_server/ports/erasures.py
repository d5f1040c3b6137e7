"""
Erasures, as the use cases see them: a ledger that is held while things are destroyed, and lists of tombstones.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.erasure import ErasureKind, Target, Tombstone
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.holds import LedgerHolds
from governlayer_server.ports.ledger import Append


class StoredErasure(Struct, frozen=True, kw_only=True):
    """
    An erasure as it is stored.

    Attributes:
        tombstone: what was destroyed.
        certificate: its certificate, a signed note.
        finished_us: when the last of what had become unreadable was removed; None: that is still to do.
        vacuumed_us: when the tables were rewritten after that; None: remnants may be left in free space.
    """

    tombstone: Tombstone
    certificate: str
    finished_us: int | None = None
    vacuumed_us: int | None = None


class ClosedLedger(Protocol):
    """
    A ledger to which nobody appends until the transaction ends; it may be damaged, and closed to writing.

    What is done is done together, or not at all.
    """

    origin: str
    size: int
    """As they are stored."""

    async def subject(self, index: bytes) -> UUID | None:
        """Return the id of the key of the data subject with this fingerprint, if there is one."""

    async def seqs_of(self, subject_id: UUID, after: int) -> Sequence[int]:
        """Return the seqs greater than *after* of the records that name the data subject, ascending."""

    async def seq_of(self, record_id: UUID) -> int | None:
        """Return the seq of the record with this id, if there is one."""

    async def destroy_subjects(self, subject_ids: Sequence[UUID]) -> None:
        """Destroy the keys of these data subjects, as far as they are there: all that needs one opens no more."""

    async def destroy_data_keys(self) -> None:
        """Destroy all data keys of the organization: nothing of it opens any more."""


class HeldLedger(ClosedLedger, Protocol):
    """
    A sound ledger to which nobody else appends until the transaction ends.

    What one transaction destroys row by row is bounded by its caller: others wait meanwhile.
    """

    head: Head
    """Where the ledger stood when it was taken."""
    holds: LedgerHolds
    """The legal holds of this ledger."""

    async def organization(self) -> Organization:
        """
        Return whose ledger it is.

        Raises:
            NotFound: it is nobody's.
        """

    async def erased(self, erasure_id: UUID) -> bool:
        """Return whether this erasure has been done here."""

    async def earlier(self, target: Target) -> UUID | None:
        """Return the id of the newest erasure of the same thing, if there is one."""

    async def destroy_payloads(self, seqs: Sequence[int]) -> None:
        """Destroy the payloads of these records, the answers kept for them, and whom they name."""

    async def append(self, appends: Sequence[Append]) -> Sequence[Record]:
        """
        Append records to the ledger that is held.

        Raises:
            AnswerExists: an idempotency key was used meanwhile. Nothing is done.
        """

    async def note_at_deployment(self, append: Append) -> None:
        """Append a record to the ledger of the deployment itself."""

    async def keep(self, erasure: StoredErasure, subject_index: bytes | None) -> None:
        """
        Store *erasure*, to be found again by the fingerprint of the data subject; every process forgets its keys.

        That of an organization closes it for good, and its name is forgotten.
        """


class ErasureStore(Protocol):
    """Where ledgers are, for those who destroy."""

    def hold(self, ledger_id: str) -> AbstractAsyncContextManager[HeldLedger]:
        """
        Open a transaction that holds the ledger.

        Raises:
            NotFound: there is no such ledger.
            LedgerRefused: it is closed to writing.
            LedgerUnavailable: the database is away. Whether what was done stands is not known.
        """

    def closed(self, ledger_id: str) -> AbstractAsyncContextManager[ClosedLedger]:
        """
        Open a transaction that holds the ledger whatever state it is in; every process forgets its keys after it.

        Raises:
            NotFound: there is no such ledger.
            LedgerUnavailable: the database is away. Whether what was done stands is not known.
        """

    async def subject(self, ledger_id: str, index: bytes) -> UUID | None:
        """Return the id of the key of the data subject with this fingerprint, if there is one."""

    async def seqs_of(self, ledger_id: str, subject_id: UUID) -> Sequence[int]:
        """Return the seqs of the records that name the data subject, ascending."""

    async def find(self, ledger_id: str, erasure_id: UUID) -> StoredErasure:
        """
        Return an erasure.

        Raises:
            NotFound: there is none with this id.
        """

    async def page(self, ledger_id: str, after: UUID | None, limit: int) -> Sequence[StoredErasure]:
        """Return up to *limit* erasures whose ids come after *after*, oldest first."""

    async def open_ledgers(self) -> Sequence[str]:
        """Return the ids of the ledgers with erasures that are not finished, or whose tables were not rewritten yet."""

    async def open_erasures(self, ledger_id: str) -> Sequence[StoredErasure]:
        """Return those of one ledger, oldest first."""

    async def remove_payloads(self, ledger_id: str, seqs: Sequence[int]) -> None:
        """Remove what is left of these records' payloads, of kept answers, and of whom they name."""

    async def remove_rest(self, organization_id: UUID, limit: int) -> bool:
        """Remove up to *limit* rows of each kind that an erased organization has left; return whether some may be."""

    async def note_finished(self, ledger_id: str, erasure_id: UUID, now_us: int) -> None:
        """Note that nothing is left to remove."""

    async def note_vacuumed(self, ledger_id: str, erasure_ids: Sequence[UUID], now_us: int) -> None:
        """Note that the tables were rewritten since."""


class TombstoneList(Protocol):
    """
    Tombstones apart from the database: whoever restores an older state of it erases again what they name.

    They are written before what they say is durable, for what is not on the list could come back. One whose erasure
    failed after all does no harm: somebody entitled had asked for it.
    """

    async def ready(self) -> None:
        """Return once ``add`` needs no connection to the database: it is called while one is held."""

    async def add(self, tombstone: Tombstone) -> None:
        """
        Write it; durable on return.

        Raises:
            Unavailable: it cannot be written. Nothing may be erased then.
        """

    def read(self) -> AsyncIterator[Tombstone]:
        """
        Yield all.

        Raises:
            Unavailable: one cannot be read.
            CipherError: one was not written by this installation, or was changed.
        """


class Vacuum(Protocol):
    """Rewrites tables so that no remnant of a removed row stays in their files."""

    async def __call__(self, kinds: Collection[ErasureKind], *, at_any_size: bool = False) -> Collection[ErasureKind]:
        """
        Rewrite the tables that erasures leave remnants in, and let the database drop its old log where it may.

        Args:
            kinds: of the erasures, which are finished.
            at_any_size: also tables so large that writers would wait for long.

        Returns:
            Those kinds all of whose tables were rewritten.
        """
