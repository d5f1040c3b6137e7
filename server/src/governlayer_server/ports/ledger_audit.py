"""The ledgers as those see them who check what is stored: every column, and what should not be there too."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from governlayer_server.domain.ledger.audit import StoredLedger, StoredRow


class StoredPayload(Struct, frozen=True, kw_only=True):
    """A payload as it is stored, whether or not there is a record for it."""

    seq: int
    name: str
    sealed: bytes


class LedgerAudit(Protocol):
    """Reads ledgers row by row; changes nothing. Whatever *last* is, memory is the caller's to bound."""

    async def ledger(self, ledger_id: str) -> StoredLedger:
        """
        Return the stored head and the highest stored seq, of one moment.

        Raises:
            NotFound: there is no such ledger.
        """

    async def rows(self, ledger_id: str, first: int, last: int) -> Sequence[StoredRow]:
        """Return the stored records *first* to *last*, inclusive, in order; gaps are left out."""

    async def rows_of_types(self, ledger_id: str, types: Sequence[str], first: int, last: int) -> Sequence[StoredRow]:
        """Return those of the records *first* to *last* whose column says one of *types*, in order."""

    async def payloads(self, ledger_id: str, first: int, last: int) -> Sequence[StoredPayload]:
        """Return the payloads stored for seq *first* to *last*, in order of seq and name."""

    async def payloads_outside(self, ledger_id: str, limit: int) -> Sequence[tuple[int, str]]:
        """Return seq and name of up to *limit* payloads of records that the ledger, by its size, cannot have."""
