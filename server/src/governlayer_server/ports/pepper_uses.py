"""What still needs a pepper that is being exchanged: fingerprints of secrets that only their holders have."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct


class OldPepper(Struct, frozen=True, kw_only=True):
    """
    The pepper that goes.

    Attributes:
        mark: what fingerprints under it begin with.
        refreshed_us: sessions that were refreshed since then do not need it.
        idle_us: sessions that were not refreshed for so long are over.
    """

    mark: bytes
    refreshed_us: int
    idle_us: int


class PepperUses(Protocol):
    """What was made with the old pepper. Tenants are named as everywhere (``domain.tenants``)."""

    async def count(self, old: OldPepper, now_us: int) -> Mapping[str, int]:
        """Return how many in all tenants still need it, by what they are; what has expired needs nothing."""

    async def clear(self, owner: str, old: OldPepper, now_us: int) -> None:
        """Remove what is of no use to anybody any more: what was used or has expired."""

    async def revoke(self, owner: str, old: OldPepper, now_us: int) -> None:
        """Remove one-time links, kept answers and familiar addresses that need it, and end such sessions."""
