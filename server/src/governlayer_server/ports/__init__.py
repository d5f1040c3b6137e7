"""
The outside world, as the use cases see it: one Protocol for each thing.

The stores have two implementations that pass the same suite in ``tests/contract``: the real one in ``adapters`` and
one in memory in ``tests/fakes``. Clock, entropy and policy engine have a fake that tests set; ciphers, signer, tokens,
one-time codes and passwords are pure computation and are used as they are. Every method may be awaited by many tasks
at once.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import AccessClaims, Role
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
    """Encryption of sensitive fields: one data key per organization, and one per data subject that texts name."""

    async def seal(self, place: Place, plaintext: bytes, subjects: Sequence[UUID] = ()) -> bytes:
        """
        Return *plaintext* encrypted for *place*.

        Args:
            place: where it is stored.
            plaintext: any bytes.
            subjects: ids of the keys of the data subjects named in it; once one of them is destroyed, it opens no more.

        Raises:
            Unavailable: the organization's data key cannot be had. Nothing was stored.
            CipherError: the key of a data subject is gone.
        """

    async def open(self, place: Place, sealed: bytes) -> bytes:
        """
        Return what was sealed for *place*.

        Raises:
            CipherError: damaged, sealed for another place or under another key, or a key that it needs is gone.
            Unavailable: the organization's data key cannot be had.
        """

    async def ready_for(self, organization_id: UUID | None, sealed: Iterable[bytes]) -> None:
        """Return once the keys of all data subjects that *sealed* need are at hand, by one question at most."""

    async def subjects(self, organization_id: UUID, names: Iterable[str]) -> tuple[UUID, ...]:
        """
        Return the ids of these data subjects' keys, ascending; a subject that has none gets one.

        Raises:
            Unavailable: they cannot be had.
        """

    async def find_subject(self, organization_id: UUID, name: str) -> UUID | None:
        """Return the id of the data subject's key, if there is one."""

    async def subject_index(self, organization_id: UUID, name: str) -> bytes:
        """Return the keyed fingerprint that the data subject's key is found by, 32 bytes."""

    def forget_subjects(self, ids: Iterable[UUID]) -> None:
        """Drop these keys from memory: they were destroyed."""

    def fingerprint(self, purpose: str, secret: bytes) -> bytes:
        """Return the keyed fingerprint of *secret*: equal for equal input, useless without the pepper."""

    def fingerprints(self, purpose: str, secret: bytes) -> Sequence[bytes]:
        """
        Return the fingerprints by which *secret* may be stored, at least one: that of the pepper in service first.

        What is looked up is looked up by all of them, what is stored is stored by the first.
        """

    def is_outdated(self, fingerprint: bytes) -> bool:
        """Return whether *fingerprint* was made with an earlier pepper than the one in service."""

    async def is_current(self, organization_id: UUID | None, sealed: bytes) -> bool:
        """
        Return whether *sealed* is under the organization's data key in service, or a newer one.

        Raises:
            Unavailable: the organization's data key cannot be had.
        """


class RotatingVault(Vault, Protocol):
    """The vault while its keys are exchanged."""

    async def new_data_key(self, organization_id: UUID) -> int:
        """Return the number of a new data key of the organization, in service; the one before it opens on."""

    async def reseal(self, place: Place, sealed: bytes) -> bytes:
        """
        Return what was sealed for *place*, encrypted anew with the data key in service, for the same data subjects.

        Raises:
            CipherError: it does not open, or a key that it needs is gone.
            Unavailable: the organization's data key cannot be had.
        """

    def mark(self, number: int) -> bytes:
        """Return what fingerprints under the pepper *number* begin with."""

    def forget_keys(self) -> None:
        """Read all data keys anew: some have changed."""


class Signer(Protocol):
    """One key that signs."""

    @property
    def name(self) -> str:
        """The key name."""

    @property
    def public_key(self) -> bytes:
        """Ed25519, 32 raw bytes."""

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature of *message*, 64 raw bytes."""


class Signers(Protocol):
    """The keys that sign checkpoints: all that are in service; two of a kind while one follows the other."""

    @property
    def vkeys(self) -> Sequence[str]:
        """Their verifier keys: Ed25519 first, and of a kind the oldest first."""

    @property
    def retired(self) -> Sequence[str]:
        """The verifier keys of the Ed25519 keys that are out of service, the oldest first."""

    def sign(self, text: str, also: Collection[str] = ()) -> Sequence[str]:
        """
        Return the signature lines of the checkpoint *text* by all Ed25519 keys: the same bytes each time.

        Args:
            text: of the checkpoint.
            also: verifier keys of retired keys that sign too, before the others.

        Raises:
            LedgerUnavailable: it is not known which keys are in service. Nothing was signed.
        """

    def cosign(self, origin: str, size: int, root: bytes, time_s: int) -> Sequence[str]:
        """
        Return the signature lines of a checkpoint by all ML-DSA-44 keys (c2sp.org/tlog-cosignature).

        Args:
            origin: the ledger's.
            size: how many records.
            root: of the tree over them, 32 bytes.
            time_s: now, seconds since the Unix epoch.

        Raises:
            LedgerUnavailable: it is not known which keys are in service. Nothing was signed.
        """


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

    def is_outdated(self, stored: str) -> bool:
        """Return whether *stored* was hashed with an earlier pepper than the one in service."""

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


class PolicyStore(Protocol):
    """The texts of all policy sets that were ever in force, so that a recorded hash can be read back."""

    async def version_of(self, text_hash: str, text: str, now_us: int) -> tuple[int, bool]:
        """Return the version number of this text, giving it the next one if it is new, and whether it was new."""
