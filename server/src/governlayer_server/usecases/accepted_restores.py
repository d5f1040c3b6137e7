"""Which restores of a ledger count: those that a record of it owns up to, with the lost checkpoint as it was signed."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import InvalidRequest, LedgerDamaged, LedgerFormatError, NotFound
from governlayer_server.domain.ledger.audit import facts_of
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.record_type import RecordType
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.refusals import Refusals, Restored
from governlayer_server.usecases.verify_note import IsSigned, genuine_checkpoint

RESTORE: RecordType = "restore"
HeadAt = Callable[[str, int], Awaitable[Head]]
"""Returns where a ledger stood at a size, proven (``ProveLedger.head``)."""


class Accepted(Struct, frozen=True, kw_only=True):
    """
    A restore that stands in the ledger. From its record on the ledger is another incarnation of itself.

    Attributes:
        kept: seq of its record: the records before it are those that were kept.
        lost: size of the lost checkpoint.
        incarnation: SHA-256 of its record, 64 hex digits.
    """

    kept: int
    lost: int
    incarnation: str


Restores = Callable[[str, str], Awaitable[Sequence[Accepted]]]
"""Returns the restores of a ledger (id, origin) that count, oldest first."""
FIRST = ""
"""The incarnation of a ledger before any restore."""


def is_lost(size: int, incarnation: str, restores: Sequence[Accepted]) -> bool:
    """
    Return whether a checkpoint was lost by one of *restores*: by one after its own incarnation, if that is known.

    Args:
        size: of the checkpoint.
        incarnation: of the ledger when it was published; it may have been forgotten with what is lost.
        restores: of the ledger, oldest first.
    """
    known = [one.incarnation for one in restores]
    later = restores[known.index(incarnation) + 1 :] if incarnation in known else restores
    return any(one.kept < size <= one.lost for one in later)


class AcceptedRestores(Struct, frozen=True, kw_only=True):
    """Tells them. A row of the database says where to look, and nothing more: anybody who can write there makes one."""

    refusals: Refusals
    ledger: LedgerStore
    head_at: HeadAt
    is_signed: IsSigned

    async def __call__(self, ledger_id: str, origin: str) -> Sequence[Accepted]:
        """
        Return the accepted restores, oldest first; a row without its record in the ledger is passed over.

        Args:
            ledger_id: which ledger.
            origin: its origin.

        Raises:
            LedgerUnavailable: the database is away.
        """
        claimed = [one for one in await self.refusals.restores(ledger_id) if one.lost > one.kept]
        found = [await self._accepted(ledger_id, origin, one) for one in claimed]
        return [one for one in found if one is not None]

    async def _accepted(self, ledger_id: str, origin: str, claimed: Restored) -> Accepted | None:
        """Return the restore that a row claims, if the tree has its record, and that names a genuine checkpoint."""
        try:
            canonical = (await self.ledger.record(ledger_id, claimed.kept)).canonical
            head, facts = await self.head_at(ledger_id, claimed.kept + 1), facts_of(canonical)
        except (NotFound, InvalidRequest, LedgerDamaged, LedgerFormatError):
            return None
        digest, note = sha256(canonical).digest(), facts.body.get("lost")
        if head.hash != digest or facts.type != RESTORE or not isinstance(note, str):
            return None
        if genuine_checkpoint(note, claimed.lost, origin, self.is_signed) is None:
            return None
        return Accepted(kept=claimed.kept, lost=claimed.lost, incarnation=digest.hex())
