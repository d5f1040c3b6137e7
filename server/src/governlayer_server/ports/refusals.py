"""Ledgers that are closed to writing, because what is stored of them was found wrong."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from governlayer_server.ports.ledger import Append, Entry


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a ledger is closed: *evidence* is a JSON text of facts, without payloads."""

    ledger_id: str
    found_us: int
    evidence: str


class Restored(Struct, frozen=True, kw_only=True):
    """A restore that the operator owned up to: checkpoints larger than *kept*, up to *lost*, may be of what is lost."""

    kept: int
    lost: int


class WriteGuard(Protocol):
    """What everybody asks who adds to a ledger or signs for it. Asking costs nothing: the answer is in memory."""

    def require_open(self, ledger_id: str) -> None:
        """
        Return if the ledger may be written.

        Raises:
            LedgerRefused: it may not. Nothing was added or signed.
        """

    async def refuse(self, refusal: Refusal) -> None:
        """Close the ledger: here at once, whatever the database does, and for all once that is stored."""


class NoGuard:
    """``WriteGuard`` where nobody checks ledgers: all are open."""

    def require_open(self, ledger_id: str) -> None:
        """Return."""

    async def refuse(self, refusal: Refusal) -> None:
        """Do nothing."""


class Refusals(WriteGuard, Protocol):
    """Which ledgers are closed; it outlives a restart, and every replica hears of it within seconds."""

    @property
    def closed(self) -> frozenset[str]:
        """The ids of the closed ledgers, as this replica knows them."""

    async def reload(self) -> None:
        """Learn what other replicas found."""

    async def of_ledger(self, ledger_id: str) -> Sequence[Refusal]:
        """Return why the ledger is closed, oldest first; nothing if it is open."""

    async def restores(self, ledger_id: str) -> Sequence[Restored]:
        """Return the restores of the ledger, oldest first, as its rows claim them: only a record is a proof of one."""

    async def reopen(self, append: Append, lost: int) -> Entry:
        """
        Append the ``restore`` record of a closed ledger and open the ledger, both or nothing.

        Args:
            append: the record.
            lost: size of the largest checkpoint that is known to be lost; 0 where there is none.

        Raises:
            LedgerUnavailable: it may or may not have happened.
        """
