"""
Everything that is wrapped under a key-encryption key, wherever it is stored: what a rotation wraps anew.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class WrappedKind(StrEnum):
    """What a wrapped key is, which says what it is wrapped for."""

    SECRET = "secret"  # nosec B105 # noqa: S105 - the name of a kind
    DEPLOYMENT = "deployment"
    LEDGER_KEY = "ledger_key"
    DATA_KEY = "data_key"
    SUBJECT_KEY = "subject_key"


class WrappedKey(Struct, frozen=True, kw_only=True):
    """
    One wrapped key.

    Attributes:
        kind: what it is.
        owner: the tenant's name, where it is a tenant's.
        name: tells it from others of its kind and owner: a number, an id, ``pepper/2``.
        wrapped: as it is stored.
    """

    kind: WrappedKind
    owner: str
    name: str
    wrapped: bytes


class WrappedKeys(Protocol):
    """All wrapped keys of the deployment and of all tenants."""

    async def otherwise(self, header: bytes, limit: int) -> Sequence[WrappedKey]:
        """Return up to *limit* keys that do not begin with *header*, in no order."""

    async def replace(self, key: WrappedKey, wrapped: bytes) -> bool:
        """Store *wrapped* in place of what *key* holds; return whether it was still so. It may be gone meanwhile."""
