"""
Ciphertexts of a tenant that are encrypted anew when its data key is exchanged.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class SealedRow(Struct, frozen=True, kw_only=True):
    """
    One ciphertext.

    Attributes:
        position: tells it from others in its table, and puts them in an order.
        row: what it is bound to (``ports.Place``).
        sealed: as it is stored.
    """

    position: str
    row: str
    sealed: bytes


class SealedTable(Protocol):
    """One column of one table. Tenants are named as everywhere (``domain.tenants``)."""

    @property
    def table(self) -> str:
        """The table, as ciphertexts are bound to it."""

    async def page(self, owner: str, below: int, after: str, limit: int) -> Sequence[SealedRow]:
        """Return up to *limit* rows under data keys with a number less than *below*, from behind *after* on."""

    async def replace(self, owner: str, rows: Sequence[tuple[SealedRow, bytes]]) -> None:
        """Store the ciphertext beside each row in its place, where it is still the same; it may be gone meanwhile."""
