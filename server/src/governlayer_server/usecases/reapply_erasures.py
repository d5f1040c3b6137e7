"""
Erase again, in a ledger that was put back to an older state, what was erased since: from the list of tombstones.

What was erased before is not erased again. A tombstone names seqs of the ledger as it was, and this one may have gone
another way since: what is erased is found by the ids of keys and records, which stand for nothing else.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.erasure import Range, Tombstone, count, erasure_bodies, pieces, ranges_of
from governlayer_server.domain.errors import LedgerDamaged, LedgerRefused, NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.ports.erasures import ClosedLedger
from governlayer_server.usecases.erase import Erase
from governlayer_server.usecases.record_event import event

_PIECE = 1_000


class Reapplied(Struct, frozen=True, kw_only=True):
    """
    What became of tombstones, by their ids.

    Attributes:
        done: erased again.
        known: had been erased here before.
        strange: of ledgers that there are not here, or not any more under this origin.
        unrecorded: of ledgers that are closed to writing: keys and payloads were destroyed, which no record says yet.
    """

    done: tuple[UUID, ...] = ()
    known: tuple[UUID, ...] = ()
    strange: tuple[UUID, ...] = ()
    unrecorded: tuple[UUID, ...] = ()


class ReapplyErasures(Struct, frozen=True, kw_only=True):
    """Done by a restore, before anything is decided or served."""

    erase: Erase

    async def __call__(self, tombstones: AsyncIterator[Tombstone]) -> Reapplied:
        """
        Return what became of *tombstones*; asked again, all of them are known.

        Raises:
            LedgerUnavailable: the database is away. Those before it stand; ask again.
        """
        found: dict[str, list[UUID]] = {name: [] for name in Reapplied.__struct_fields__}
        async for tombstone in tombstones:
            found[await self._one(tombstone)].append(tombstone.id)
        return Reapplied(**{name: tuple(ids) for name, ids in found.items()})

    async def _one(self, tombstone: Tombstone) -> str:
        try:
            return await self._recorded(tombstone)
        except NotFound:
            return "strange"
        except (LedgerRefused, LedgerDamaged):
            return await self._unrecorded(tombstone)
        finally:
            self.erase.vault.forget_subjects(tombstone.subjects)

    async def _recorded(self, tombstone: Tombstone) -> str:
        erase = self.erase
        first = event(erase.clock, erase.entropy, tombstone.ledger_id, SYSTEM, "erasure", {})
        async with erase.store.hold(tombstone.ledger_id) as held:
            if held.origin != tombstone.origin:
                return "strange"
            if await held.erased(tombstone.id):
                return "known"
            ranges = await _ranges(held, tombstone)
            again = replace(tombstone, actor=SYSTEM, ranges=ranges, records=count(ranges))
            await erase.destroy(held, again, erasure_bodies(again, reapplied=True), first, None)
        return "done"

    async def _unrecorded(self, tombstone: Tombstone) -> str:
        """Destroy in a ledger that takes no record. No tombstone is kept there: once it is open, this is recorded."""
        store = self.erase.store
        async with store.closed(tombstone.ledger_id) as closed:
            if closed.origin != tombstone.origin:
                return "strange"
            ranges = await _ranges(closed, tombstone)
            await closed.destroy_subjects(tombstone.subjects)
            if tombstone.kind.is_whole_ledger:
                await closed.destroy_data_keys()
        for piece in pieces(ranges, _PIECE):
            await store.remove_payloads(tombstone.ledger_id, piece)
        return "unrecorded"


async def _ranges(ledger: ClosedLedger, tombstone: Tombstone) -> tuple[Range, ...]:
    """Return which records of the ledger, as it is now, *tombstone* is about."""
    if tombstone.kind.is_whole_ledger:
        return ((0, ledger.size - 1),) if ledger.size else ()
    if tombstone.decision is not None:
        seq = await ledger.seq_of(tombstone.decision)
        return () if seq is None else ((seq, seq),)
    return ranges_of(sorted({seq for one in tombstone.subjects for seq in await ledger.seqs_of(one, -1)}))
