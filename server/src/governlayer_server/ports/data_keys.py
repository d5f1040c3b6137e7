"""
Data keys as they are stored: wrapped under a key-encryption key, found by tenant or by data subject.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msgspec import Struct

INDEX_NUMBER = 0
"""The number of a tenant's index key: it makes fingerprints of data subjects, and never encrypts."""


class DataKeyState(StrEnum):
    """What a data key is for: new ciphertexts, old ones only, or none at all but fingerprints."""

    ACTIVE = "active"
    RETIRING = "retiring"
    INDEX = "index"


class StoredDataKey(Struct, frozen=True, kw_only=True):
    """A data key of a tenant. Of a tenant's keys one is active; numbers are given once."""

    number: int
    wrapped: bytes
    state: DataKeyState


class StoredSubjectKey(Struct, frozen=True, kw_only=True):
    """The key of one data subject in one ledger, found by the keyed fingerprint of the subject's name."""

    id: UUID
    index: bytes
    wrapped: bytes


class DataKeyStore(Protocol):
    """Where wrapped data keys are. Tenants are named as everywhere (``domain.tenants``)."""

    async def data_keys(self, owner: str) -> Sequence[StoredDataKey]:
        """Return all keys of the tenant, in the order of their numbers."""

    async def add_data_key(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        """Store *key* unless the tenant has one of this number."""

    async def succeed(self, owner: str, key: StoredDataKey, now_us: int) -> None:
        """Store *key*, which is in service, unless the tenant has one of this number; the one before is retiring."""

    async def destroy_data_key(self, owner: str, number: int) -> bool:
        """
        Destroy a retiring key that nothing is encrypted under; return whether it is gone.

        Who is writing something under it is waited for.
        """

    async def subject_keys(
        self, owner: str, indexes: Sequence[bytes], ids: Sequence[UUID]
    ) -> Sequence[StoredSubjectKey]:
        """Return those keys of data subjects in the tenant's ledger that have one of *indexes* or *ids*."""

    async def add_subject_keys(self, owner: str, keys: Sequence[StoredSubjectKey], now_us: int) -> None:
        """Store *keys*; where a subject has one already, that one stays."""
