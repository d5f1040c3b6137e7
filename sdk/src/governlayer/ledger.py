"""``client.ledger``: what the client knows of the ledger that its decisions stand on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    A signed checkpoint: the ledger *origin* had *size* records, whose Merkle tree has this *root* (32 bytes).

    *note* is the signed text; in a file of its own it can be given to ``gl-verify --checkpoint``.
    """

    origin: str
    size: int
    root: bytes
    note: str


class Ledger(Generic[V]):
    """
    The ledger as this host has seen it.

    Args:
        newest: returns the newest checkpoint that is kept.
        prove: proves the newest that was seen.
    """

    def __init__(self, newest: Callable[[], Checkpoint | None], prove: Callable[[], V]) -> None:
        self._newest = newest
        self._prove = prove

    def checkpoint(self) -> Checkpoint | None:
        """
        Return the newest checkpoint that is kept: signed by a trusted key, and proven to continue all before it.

        None until an answer has told which ledger it is.
        """
        return self._newest()

    def verify_now(self) -> V:
        """
        Have the newest checkpoint that was seen proven now, keep it, and return what is kept then.

        Returns:
            As :meth:`checkpoint`; to be awaited under asyncio.

        Raises:
            LedgerForkError: the ledger is not the one of before.
            LedgerError: no proof could be had in time; what is kept is unchanged.
        """
        return self._prove()
