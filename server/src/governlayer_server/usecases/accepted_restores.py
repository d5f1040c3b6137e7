"""Which restores of a ledger count: those that a record of it owns up to, with the lost checkpoint as it was signed."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import InvalidRequest, LedgerDamaged, LedgerFormatError, NotFound
from governlayer_server.domain.ledger.audit import facts_of
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.refusals import Refusals, Restored
from governlayer_server.usecases.verify_note import IsSigned, genuine_checkpoint

RESTORE = "restore"
HeadAt = Callable[[str, int], Awaitable[Head]]
"""Returns where a ledger stood at a size, proven (``ProveLedger.head``)."""


class AcceptedRestores(Struct, frozen=True, kw_only=True):
    """Tells them. A row of the database says where to look, and nothing more: anybody who can write there makes one."""

    refusals: Refusals
    ledger: LedgerStore
    head_at: HeadAt
    is_signed: IsSigned

    async def __call__(self, ledger_id: str, origin: str) -> Sequence[Restored]:
        """
        Return the accepted restores, oldest first; a row without its record in the ledger is passed over.

        Args:
            ledger_id: which ledger.
            origin: its origin.

        Raises:
            LedgerUnavailable: the database is away.
        """
        claimed = [one for one in await self.refusals.restores(ledger_id) if one.lost > one.kept]
        return [one for one in claimed if await self._is_owned_up_to(ledger_id, origin, one)]

    async def _is_owned_up_to(self, ledger_id: str, origin: str, claimed: Restored) -> bool:
        note = await self._lost(ledger_id, claimed.kept)
        return isinstance(note, str) and genuine_checkpoint(note, claimed.lost, origin, self.is_signed) is not None

    async def _lost(self, ledger_id: str, seq: int) -> object:
        """Return what record *seq* names as lost, if the tree has it and it is the record of a restore."""
        try:
            canonical = (await self.ledger.record(ledger_id, seq)).canonical
            head, facts = await self.head_at(ledger_id, seq + 1), facts_of(canonical)
        except (NotFound, InvalidRequest, LedgerDamaged, LedgerFormatError):
            return None
        is_there = head.hash == sha256(canonical).digest()
        return facts.body.get("lost") if is_there and facts.type == RESTORE else None
