"""Which key-encryption keys there are: never the keys themselves, but what knows them again."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class KekState(StrEnum):
    """A rotation brings in the next key, makes it the one that wraps, and retires the previous one."""

    NEXT = "next"
    ACTIVE = "active"
    PREVIOUS = "previous"
    RETIRED = "retired"


class KnownKek(Struct, frozen=True, kw_only=True):
    """A key-encryption key by its id, with the value that its bytes are checked against."""

    key_id: str
    check_value: bytes
    state: KekState


class KekStore(Protocol):
    """The key-encryption keys of this deployment, and a count of all changes of keys."""

    async def all(self) -> Sequence[KnownKek]:
        """Return all, the oldest first."""

    async def add(self, key: KnownKek, now_us: int) -> None:
        """Store *key* unless it, or another one in its state, is there."""

    async def move(self, key_id: str, before: KekState, after: KekState, now_us: int) -> bool:
        """Move the key on from one state to the next; return whether it was in the first."""

    async def activate(self, key_id: str) -> None:
        """Make the next key, if it is that one, the active one; what was active is the previous one, in one step."""

    async def changes(self) -> int:
        """Return how often any key of the deployment, its tenants or data subjects was changed or destroyed."""

    async def count_change(self) -> None:
        """Let every process read the keys anew within a second."""
