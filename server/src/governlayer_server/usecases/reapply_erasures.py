"""
Erase again, in a ledger that was put back to an older state, what was erased since: from the list of tombstones.

What was erased before is not erased again. A tombstone names seqs of the ledger as it was: records that were made
after it, in whatever stands there now, are not what it names.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.erasure import Tombstone, count, erasure_bodies, up_to
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.erase import Erase
from governlayer_server.usecases.record_event import event


class Reapplied(Struct, frozen=True, kw_only=True):
    """
    What became of tombstones, by their ids.

    Attributes:
        done: erased again.
        known: had been erased here before.
        strange: of ledgers that there are not here, or not any more under this origin.
    """

    done: tuple[UUID, ...] = ()
    known: tuple[UUID, ...] = ()
    strange: tuple[UUID, ...] = ()


class ReapplyErasures(Struct, frozen=True, kw_only=True):
    """Done by a restore, before anything is decided or served."""

    erase: Erase

    async def __call__(self, tombstones: AsyncIterator[Tombstone]) -> Reapplied:
        """
        Return what became of *tombstones*; asked again, all of them are known.

        Raises:
            LedgerUnavailable, LedgerRefused: a ledger cannot be written. Those before it stand; ask again.
        """
        found: dict[str, list[UUID]] = {name: [] for name in Reapplied.__struct_fields__}
        async for tombstone in tombstones:
            found[await self._one(tombstone)].append(tombstone.id)
        return Reapplied(**{name: tuple(ids) for name, ids in found.items()})

    async def _one(self, tombstone: Tombstone) -> str:
        erase = self.erase
        first = event(erase.clock, erase.entropy, tombstone.ledger_id, SYSTEM, "erasure", {})
        try:
            async with erase.store.hold(tombstone.ledger_id) as held:
                if held.head.origin != tombstone.origin:
                    return "strange"
                if await held.erased(tombstone.id):
                    return "known"
                ranges = up_to(tombstone.ranges, await held.last_seq_at(tombstone.time_us))
                again = replace(tombstone, actor=SYSTEM, ranges=ranges, records=count(ranges))
                await erase.destroy(held, again, erasure_bodies(again, reapplied=True), first, None)
        except NotFound:
            return "strange"
        erase.vault.forget_subjects(tombstone.subjects)
        return "done"
