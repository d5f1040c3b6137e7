"""
Secrets that all replicas share, as they are stored: wrapped under a key-encryption key, numbered for each purpose.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class SecretPurpose(StrEnum):
    """What a secret is for."""

    PEPPER = "pepper"
    JWT = "jwt"


class SecretState(StrEnum):
    """A rotation makes the next one known, puts it in service, and in the end removes the previous one."""

    NEXT = "next"
    ACTIVE = "active"
    PREVIOUS = "previous"


class StoredSecret(Struct, frozen=True, kw_only=True):
    """
    A secret. Of a purpose there is at most one in each state; numbers are given once.

    ``moved_us`` is when it came into its state.
    """

    purpose: SecretPurpose
    number: int
    wrapped: bytes
    state: SecretState
    moved_us: int


class SecretStore(Protocol):
    """Where wrapped secrets are."""

    async def all(self) -> Sequence[StoredSecret]:
        """Return all, by purpose and number."""

    async def add(self, secret: StoredSecret) -> None:
        """Store *secret* unless there is one of this number, or one in this state."""

    async def activate(self, purpose: SecretPurpose, number: int, now_us: int) -> bool:
        """Put the next secret, if it is that one, in service; what was is the previous one. Return whether it was."""

    async def remove(self, purpose: SecretPurpose, number: int) -> bool:
        """Remove the previous secret, if it is that one; return whether it was."""
