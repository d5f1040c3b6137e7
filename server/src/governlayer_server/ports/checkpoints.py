"""
Published checkpoints, as the use cases see them: signed, kept for good, one line of them for each ledger.

The implementations pass the same suite in ``tests/contract`` (see ``ports``).
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Checkpoint(Struct, frozen=True, kw_only=True):
    """
    A published checkpoint (ledger-v1 §5).

    Attributes:
        ledger_id: whose.
        size: how many records it covers, at least 1.
        root: of the tree over them, 32 bytes.
        note: the signed note.
        published_us: when, microseconds since the Unix epoch.
        extends: size of the published checkpoint before it, which it was checked to extend; 0: there is none.
    """

    ledger_id: str
    size: int
    root: bytes
    note: str
    published_us: int
    extends: int = 0


class Fork(Struct, frozen=True, kw_only=True):
    """
    What a ledger was found to be that does not extend its published checkpoint of ``published_size``.

    Attributes:
        ledger_id: whose.
        published_size: of the checkpoint that is contradicted.
        size: of the ledger as found.
        root: of its tree as found, 32 bytes.
        head_hash: of its last record as found, 32 bytes.
        found_us: when, microseconds since the Unix epoch.
    """

    ledger_id: str
    published_size: int
    size: int
    root: bytes
    head_hash: bytes
    found_us: int


class CheckpointStore(Protocol):
    """The published checkpoints. None is ever changed or removed; any number of processes may add."""

    async def newest(self, ledger_id: str) -> Checkpoint | None:
        """Return the largest checkpoint of the ledger, if any was published."""

    async def newest_within(self, ledger_id: str, size: int) -> Checkpoint | None:
        """Return the largest checkpoint of the ledger of at most *size*, if there is one."""

    async def at(self, ledger_id: str, size: int) -> Checkpoint | None:
        """Return the ledger's checkpoint of exactly this size, if there is one."""

    async def after(self, ledger_id: str, size: int, limit: int) -> Sequence[Checkpoint]:
        """Return up to *limit* checkpoints of the ledger that are larger than *size*, smallest first."""

    async def add(self, checkpoint: Checkpoint) -> bool:
        """
        Publish *checkpoint*: durable with the answer True.

        False: another one was published meanwhile that has its size, or extends what it extends. Nothing was stored.
        """

    async def grown(self) -> Sequence[str]:
        """Return the ledgers whose size is not that of their newest checkpoint: grown, or else damaged."""

    async def add_fork(self, fork: Fork) -> bool:
        """Keep *fork* as evidence; return whether it is the first for this checkpoint: later ones are not kept."""

    async def forks(self, ledger_id: str) -> Sequence[Fork]:
        """Return the evidence kept of the ledger, smallest published size first."""
