"""
The ledgers, as the use cases see them: records that are appended and never changed, and answers kept beside them.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.growth import Growth
from governlayer_server.domain.ledger.record import Draft, Record
from governlayer_server.ports.tiles import TileStore


class SealedPayload(Struct, frozen=True, kw_only=True):
    """A payload as it is stored: nonce and text, encrypted."""

    name: str
    sealed: bytes


class StoredAnswer(Struct, frozen=True, kw_only=True):
    """
    The answer kept for an idempotency key, encrypted, with the fingerprint of the body that it answered.

    ``proof`` includes the answer's record in the tree of ``size``, so that its receipt can be made again.
    """

    body: bytes
    sealed: bytes
    record_id: UUID
    size: int
    proof: tuple[bytes, ...]


class Remember(Struct, frozen=True, kw_only=True):
    """What to keep so that a repeated request gets the same answer and no second record."""

    key: bytes
    body: bytes
    sealed: bytes
    expires_us: int


class Append(Struct, frozen=True, kw_only=True):
    """
    One record to append with all that becomes durable with it.

    ``agent`` and ``decision`` are copies of body members for filtering. ``subjects`` are the ids of the keys of the
    data subjects that it names, which its payloads were encrypted with.
    """

    ledger_id: str
    record_id: UUID
    draft: Draft
    payloads: tuple[SealedPayload, ...] = ()
    agent: str | None = None
    decision: str | None = None
    subjects: tuple[UUID, ...] = ()
    remember: Remember | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """A durable record, and the growth of its ledger that it was part of: records become durable together."""

    record: Record
    growth: Growth

    @property
    def head(self) -> Head:
        """Where the ledger stood after all of them."""
        return self.growth.head


class RecordFilter(Struct, frozen=True, kw_only=True):
    """Which records to list. Times are microseconds since the Unix epoch, *from* inclusive, *to* exclusive."""

    type: str | None = None
    agent: str | None = None
    decision: str | None = None
    from_us: int | None = None
    to_us: int | None = None


class StoredRecord(Struct, frozen=True, kw_only=True):
    """A record read back, with those of its payloads that were asked for and still exist."""

    record_id: UUID
    record: Record
    payloads: tuple[SealedPayload, ...] = ()


class LedgerStore(TileStore, Protocol):
    """The ledgers and their tiles. Records are never changed; any number of processes may append to one ledger."""

    async def create(self, ledger_id: str, organization_id: UUID | None, origin: str) -> None:
        """Make an empty ledger, or do nothing if it exists with this *origin*."""

    async def append(self, append: Append) -> Entry:
        """
        Return the record once it is durable (ledger-v1 §2 to §4).

        Raises:
            NotFound: there is no such ledger.
            AnswerExists: the idempotency key was used meanwhile. Nothing was appended.
            SubjectGone: the key of a data subject was destroyed meanwhile. Nothing was appended.
            Overloaded: too many records are waiting to be written. Nothing was appended.
            LedgerUnavailable: nothing is promised: the record may or may not stand.
            LedgerFormatError: the record would break the format. Nothing was appended.
        """

    async def answer(self, ledger_id: str, key: bytes, now_us: int) -> StoredAnswer | None:
        """Return the kept answer of an idempotency key, unless it has expired."""

    async def head(self, ledger_id: str) -> Head:
        """
        Return where the ledger stands; everything up to it is durable.

        Raises:
            NotFound: there is no such ledger.
        """

    async def place_of(self, ledger_id: str, record_id: UUID) -> Record:
        """
        Return the record with this id.

        Raises:
            NotFound: this ledger has none.
        """

    async def record(self, ledger_id: str, seq: int) -> Record:
        """
        Return record *seq*.

        Raises:
            NotFound: this ledger has none.
        """

    async def records(self, ledger_id: str, after_seq: int, limit: int, only: RecordFilter) -> Sequence[Record]:
        """Return up to *limit* records with seq greater than *after_seq* that fit *only*, in order."""

    def stream(self, ledger_id: str, first: int, last: int, names: Sequence[str]) -> AsyncIterator[StoredRecord]:
        """Yield the records *first* to *last* in order, with the payloads named; memory stays flat."""


class AnswerExists(Exception):  # not a failure: the same request has been answered
    """Another request with this idempotency key committed first; ``answer`` is what it was told."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__("the idempotency key has an answer")
        self.answer = answer


class SubjectGone(Exception):  # not a failure: encrypted anew, under a new key of the subject, it can be appended
    """A data subject was erased between encryption and append: what names it now is not what was erased."""
