"""
The outside world, as the use cases see it: one Protocol for each thing.

The stores have two implementations that pass the same suite in ``tests/contract``: the real one in ``adapters`` and
one in memory in ``tests/fakes``. Clock, entropy and policy engine have a fake that tests set; ciphers, signer, tokens,
one-time codes and passwords are pure computation and are used as they are. Every method may be awaited by many tasks
at once.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import AccessClaims, Role
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.record import Draft, Record
from governlayer_server.domain.ledger.tree import Edge
from governlayer_server.domain.policy import EngineAnswer, PolicySet, Question
from governlayer_server.domain.quota import Bucket, Mode, Verdict


class Clock(Protocol):
    """Time."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC. May jump when the machine's clock is set."""

    def monotonic_us(self) -> int:
        """Return microseconds of a clock that never goes back; only differences mean something."""


class Entropy(Protocol):
    """Randomness."""

    def bytes(self, count: int) -> bytes:
        """Return *count* bytes fit for keys and nonces."""


class Place(Struct, frozen=True, kw_only=True):
    """Where a ciphertext lives. It opens nowhere else: every part is associated data."""

    organization_id: UUID | None
    table: str
    column: str
    row: str


class Vault(Protocol):
    """Encryption of sensitive fields, one data key per organization."""

    async def seal(self, place: Place, plaintext: bytes) -> bytes:
        """
        Return *plaintext* encrypted for *place*.

        Raises:
            Unavailable: the organization's data key cannot be had. Nothing was stored.
        """

    async def open(self, place: Place, sealed: bytes) -> bytes:
        """
        Return what was sealed for *place*.

        Raises:
            CipherError: damaged, or sealed for another place or under another key.
            Unavailable: the organization's data key cannot be had.
        """

    def fingerprint(self, purpose: str, secret: bytes) -> bytes:
        """Return the 32-byte keyed fingerprint of *secret*: equal for equal input, useless without the pepper."""


class Signer(Protocol):
    """The key that signs checkpoints."""

    @property
    def name(self) -> str:
        """The key name: the deployment's."""

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 raw bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of *message*, 64 raw bytes."""


class PasswordHasher(Protocol):
    """Passwords. Never blocks the event loop, and never lets more wait than it can answer soon."""

    async def hash(self, password: str) -> str:
        """
        Return a salted hash of *password*, fit for storage.

        Raises:
            InvalidRequest: *password* holds a lone surrogate.
            Overloaded: too many are waiting. Nothing was hashed.
        """

    async def verify(self, password: str, stored: str | None) -> bool:
        """
        Return whether *password* is the one that *stored* was made of; None and damaged hashes take the same time.

        Raises:
            Overloaded: too many are waiting. Nothing was checked.
        """

    def needs_rehash(self, stored: str) -> bool:
        """Return whether *stored* is weaker than what ``hash`` returns now."""


class Tokens(Protocol):
    """Access tokens: signed statements about a session, good for minutes."""

    def issue(self, *, subject: UUID, organization_id: UUID, role: Role, session_id: UUID, now_us: int) -> str:
        """Return a token that is good from *now_us* on."""

    def verify(self, token: str) -> AccessClaims:
        """
        Return what *token* says, if it is genuine and in force; whether its session still stands is not known.

        Raises:
            NotAuthenticated: it is not; the text never says why.
        """


class OneTimeCodes(Protocol):
    """The second factor: codes of authenticator apps (RFC 6238)."""

    def new_secret(self) -> str:
        """Return a new secret, base32."""

    def provisioning_uri(self, secret: str, account: str) -> str:
        """Return the URI that authenticator apps read as a QR code; *account* is the label they show."""

    def matching_step(self, secret: str, code: str, now_us: int, after_step: int) -> int | None:
        """Return the time step whose code *code* is, if it is near *now_us* and after *after_step*; else None."""


class CommonPasswords(Protocol):
    """What attackers try first."""

    def guessable(self, password: str) -> bool:
        """Return whether *password* is a common one or little more; takes milliseconds, whatever it is."""


class PolicyEngine(Protocol):
    """Evaluates the policy set in force."""

    @property
    def policy_set(self) -> PolicySet:
        """The set in force."""

    def evaluate(self, question: Question) -> EngineAnswer:
        """Return the engine's answer; what could not be evaluated makes it ``failed``, it never raises for it."""


class RunningRequests(Protocol):
    """Which idempotency keys are being worked on right now. A courtesy: exactness comes from the ledger store."""

    def claim(self, organization_id: UUID, key: bytes) -> AbstractAsyncContextManager[None]:
        """
        Hold *key* for the length of the context; where the store is away, hold nothing and go on.

        Raises:
            IdempotencyInProgress: another request holds it.
        """


class QuotaStore(Protocol):
    """Rate limits: what was admitted in the last 60 seconds, over all replicas (API contract §3)."""

    @property
    def mode(self) -> Mode:
        """Whether all replicas share the count, or this one decides (also) by its share of the limits."""

    async def spend(self, owner: str, buckets: Sequence[Bucket], created_us: int | None = None) -> Verdict:
        """
        Return whether one more request of *owner* is admitted by all *buckets*, taken from all of them if so.

        A refused request costs nothing. Never fails, and never waits long: without the shared count this replica
        decides by its own.

        Args:
            owner: whose buckets they are; an id without braces.
            buckets: their limits may change from request to request.
            created_us: when the owner came to be; None if counts of it may be lost.
        """


class SealedPayload(Struct, frozen=True, kw_only=True):
    """A payload as it is stored: nonce and text, encrypted."""

    name: str
    sealed: bytes


class StoredAnswer(Struct, frozen=True, kw_only=True):
    """
    The answer kept for an idempotency key, encrypted, with the fingerprint of the body that it answered.

    ``before`` is the tree's edge before the answer's record, so that its receipt can be made again.
    """

    body: bytes
    sealed: bytes
    record_id: UUID
    before: Edge


class Remember(Struct, frozen=True, kw_only=True):
    """What to keep so that a repeated request gets the same answer and no second record."""

    key: bytes
    body: bytes
    sealed: bytes
    expires_us: int


class Append(Struct, frozen=True, kw_only=True):
    """
    One record to append with all that becomes durable with it.

    ``agent`` and ``decision`` are copies of body members for filtering.
    """

    ledger_id: str
    record_id: UUID
    draft: Draft
    payloads: tuple[SealedPayload, ...] = ()
    agent: str | None = None
    decision: str | None = None
    remember: Remember | None = None


class Entry(Struct, frozen=True, kw_only=True):
    """A durable record, and the ledger around it when it was appended."""

    record: Record
    before: Edge
    head: Head


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


class LedgerStore(Protocol):
    """The ledgers. Records are never changed; any number of processes may append to one ledger."""

    async def create(self, ledger_id: str, organization_id: UUID | None, origin: str) -> None:
        """Make an empty ledger, or do nothing if it exists with this *origin*."""

    async def append(self, append: Append) -> Entry:
        """
        Return the record once it is durable (ledger-v1 §2 to §4).

        Raises:
            NotFound: there is no such ledger.
            AnswerExists: the idempotency key was used meanwhile. Nothing was appended.
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


class PolicyStore(Protocol):
    """The texts of all policy sets that were ever in force, so that a recorded hash can be read back."""

    async def version_of(self, text_hash: str, text: str, now_us: int) -> tuple[int, bool]:
        """Return the version number of this text, giving it the next one if it is new, and whether it was new."""
