"""
Legal holds and what has expired, as the use cases see them.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.erasure import Range
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.domain.legal_hold import HoldScope


class StoredHold(Struct, frozen=True, kw_only=True):
    """
    A legal hold as it is stored.

    Attributes:
        id: made when it was.
        ledger_id: of which ledger.
        scope: what it covers.
        sealed: why, and whom it names, encrypted.
        actor: who made it.
        created_us: when.
        released_us: when it was released; None: it is in force.
        released_by: who did.
        release_sealed: why, encrypted.
    """

    id: UUID
    ledger_id: str
    scope: HoldScope
    sealed: bytes
    actor: Actor
    created_us: int
    released_us: int | None = None
    released_by: Actor | None = None
    release_sealed: bytes | None = None


class LedgerHolds(Protocol):
    """The holds of a ledger that is held (``ports.erasures``): nobody makes or releases one meanwhile."""

    async def add(self, hold: StoredHold) -> None:
        """Store a new hold."""

    async def one(self, hold_id: UUID) -> StoredHold:
        """
        Return a hold of this ledger.

        Raises:
            NotFound: there is none with this id.
        """

    async def release(self, hold: StoredHold) -> None:
        """Store that *hold* was released: when, by whom and why."""

    async def has_subject(self, subject_id: UUID) -> bool:
        """Return whether the data subject's key is there."""

    async def against(self, ranges: Sequence[Range], subjects: Sequence[UUID], *, everything: bool) -> UUID | None:
        """
        Return the oldest hold in force that covers something of this, if there is one.

        Args:
            ranges: of records whose payloads are to be destroyed.
            subjects: keys of data subjects that are to be destroyed.
            everything: the whole organization is, with all that it has.
        """

    async def destroy_expired(self, seqs: Sequence[int], names: Sequence[str]) -> Sequence[int]:
        """
        Destroy payloads of these records where no hold covers them; return the seqs of those that lost some.

        The key of a data subject whom no payload names then is destroyed too; of one under hold nothing was.
        """


class HoldStore(Protocol):
    """Where holds are read, and what has expired is looked for; nothing is held meanwhile."""

    async def one(self, ledger_id: str, hold_id: UUID) -> StoredHold:
        """
        Return a hold of the ledger.

        Raises:
            NotFound: there is none with this id.
        """

    async def page(self, ledger_id: str, after: UUID | None, limit: int) -> Sequence[StoredHold]:
        """Return up to *limit* holds whose ids come after *after*, oldest first, released ones too."""

    async def last_before(self, ledger_id: str, time_us: int) -> int:
        """Return the seq of the last record that was made before *time_us*; -1: there is none."""

    async def expired(self, ledger_id: str, names: Sequence[str], after: int, last: int, limit: int) -> Sequence[int]:
        """
        Return the seqs of up to *limit* records with payloads of these names that no hold covers, ascending.

        Args:
            ledger_id: of which ledger.
            names: of payloads; ``*``: all.
            after: only records after this one.
            last: and up to this one.
            limit: how many.
        """
