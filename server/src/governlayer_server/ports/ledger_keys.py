"""The signing keys of the ledgers as they are stored, and what makes them sign."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Algorithm(StrEnum):
    """What a key signs with."""

    ED25519 = "ed25519"
    ML_DSA_44 = "ml-dsa-44"


class KeyState(StrEnum):
    """
    What a key goes through, in this order. It signs until it is retired.

    Entering service, and leaving it, is recorded in every ledger; the states between tell what remains to be done.
    """

    INTRODUCING = "introducing"
    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


class LedgerKey(Struct, frozen=True, kw_only=True):
    """
    A signing key as stored.

    Attributes:
        key_id: 8 hex digits, as in the verifier key.
        algorithm: what it signs with.
        vkey: the verifier key (ledger-v1 §5).
        wrapped_seed: what it is made from, encrypted.
        state: where it stands.
        introduced_us: since when every ledger knows it, microseconds since the Unix epoch; before that, when it
            was made.
        retired_us: since when it signs no more.
    """

    key_id: str
    algorithm: Algorithm
    vkey: str
    wrapped_seed: bytes
    state: KeyState
    introduced_us: int
    retired_us: int | None = None

    @property
    def in_service(self) -> bool:
        """Whether it signs."""
        return self.state is not KeyState.RETIRED


class LedgerKeyStore(Protocol):
    """The keys of the deployment; none is ever removed."""

    async def all(self) -> Sequence[LedgerKey]:
        """Return all keys, the oldest first."""

    async def add_first(self, key: LedgerKey) -> bool:
        """Store *key* if there is none of its algorithm; return whether it was stored."""

    async def add(self, key: LedgerKey) -> bool:
        """Store *key*, which is being introduced, unless another of its algorithm is; return whether it was stored."""

    async def rewrap(self, key_id: str, before: bytes, after: bytes) -> None:
        """Store the wrapped seed *after* in place of *before*, if it is that still."""

    async def move(self, key_id: str, before: KeyState, after: KeyState, now_us: int) -> bool:
        """
        Move the key on from one state to the next; return whether it was in the first.

        Args:
            key_id: which.
            before: the state it is in.
            after: the state that follows.
            now_us: when, microseconds since the Unix epoch; noted where every ledger knows the key from now on, or
                where it signs no more.
        """


class KeyMaker(Protocol):
    """Makes keys, and makes them sign in this process."""

    def new(self, algorithm: Algorithm, state: KeyState, now_us: int) -> LedgerKey:
        """Return a new key, its seed encrypted."""

    def renew(self, keys: Sequence[LedgerKey]) -> None:
        """
        Sign with those of *keys* that are in service, from now on, and where asked with those that are retired.

        Raises:
            CipherError: a seed in service does not open, or is not that of its key. Nothing was changed.
        """
