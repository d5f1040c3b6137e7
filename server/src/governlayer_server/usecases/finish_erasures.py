"""
Finish erasures: remove what they left unreadable, and have the tables rewritten that hold remnants.

Any number of processes may do it at once, and one that is killed is followed by the next: each step can be repeated.
"""

from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.erasure import Tombstone, pieces
from governlayer_server.ports import Clock
from governlayer_server.ports.erasures import ErasureStore, StoredErasure, Vacuum

_PIECE = 1_000


class FinishErasures(Struct, frozen=True, kw_only=True):
    """Done again and again in the background, and by the command that erases."""

    store: ErasureStore
    vacuum: Vacuum
    clock: Clock

    async def __call__(self, *, at_any_size: bool = False) -> bool:
        """
        Finish what can be finished; return whether nothing is left to do.

        Args:
            at_any_size: also rewrite tables so large that writers would wait for long.

        Raises:
            LedgerUnavailable: the database is away; the rest is done next time.
        """
        waiting: dict[str, list[StoredErasure]] = {}
        for ledger_id in await self.store.open_ledgers():
            waiting[ledger_id] = list(await self.store.open_erasures(ledger_id))
            for one in waiting[ledger_id]:
                if one.finished_us is None:
                    await self._remove(one.tombstone)
        kinds = {one.tombstone.kind for each in waiting.values() for one in each}
        done = await self.vacuum(kinds, at_any_size=at_any_size) if kinds else kinds
        for ledger_id, each in waiting.items():
            ids = [one.tombstone.id for one in each if one.tombstone.kind in done]
            await self.store.note_vacuumed(ledger_id, ids, self.clock.now_us())
        return kinds.issubset(done)

    async def _remove(self, tombstone: Tombstone) -> None:
        for piece in pieces(tombstone.ranges, _PIECE):
            await self.store.remove_payloads(tombstone.ledger_id, piece)
        if tombstone.kind.is_whole_ledger:
            while await self.store.remove_rest(UUID(tombstone.ledger_id), _PIECE):
                pass
        await self.store.note_finished(tombstone.ledger_id, tombstone.id, self.clock.now_us())
