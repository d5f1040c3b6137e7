"""Rotations as they go on: which have begun, what they tell, and where they wait for all processes."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class RotationKind(StrEnum):
    """What is exchanged."""

    MASTER = "master"
    DATA = "data"
    PEPPER = "pepper"
    JWT = "jwt"


class Rotation(Struct, frozen=True, kw_only=True):
    """
    A rotation that has begun and not ended.

    Attributes:
        kind: what is exchanged.
        owner: the tenant whose it is; ``system`` where it is the deployment's.
        position: how far work that takes long has come; empty at its beginning.
        begun_us: when it began.
    """

    kind: RotationKind
    owner: str
    position: str = ""
    begun_us: int


class RotationStore(Protocol):
    """Which rotations have begun and not ended. Every implementation passes the suite in ``tests/contract``."""

    async def all(self) -> Sequence[Rotation]:
        """Return all, the oldest first."""

    async def begin(self, rotation: Rotation) -> None:
        """Store *rotation* unless it has begun."""

    async def place(self, kind: RotationKind, owner: str, position: str) -> None:
        """Store how far it has come."""

    async def end(self, kind: RotationKind, owner: str) -> None:
        """Remove it: it is done."""


class Steps(Protocol):
    """What goes with a rotation. Each step is durable when it is told: killed after it, the next run goes on there."""

    async def reached(self, step: str) -> None:
        """Take note of *step*, a few words for people."""

    def progress(self, done: int, total: int) -> None:
        """Take note of how much of the long work is done."""

    async def rest(self, seconds: float) -> None:
        """Return after so many seconds, which others have the database for."""

    async def settle(self) -> None:
        """Return once every process has read the keys anew, and what it had begun with the old ones has ended."""
