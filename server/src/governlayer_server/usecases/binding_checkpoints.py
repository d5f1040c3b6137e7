"""Which checkpoints a ledger has to extend: the newest in the database, and the newest outside of it."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.usecases.accepted_restores import Restores, is_lost
from governlayer_server.usecases.check_ledgers import DATABASE, OUTSIDE, Kept
from governlayer_server.usecases.verify_note import IsSigned, genuine_checkpoint

Notes = Callable[[str], Iterator[tuple[str, int, str]]]
"""Yields incarnation, size and note of what is kept outside of an origin, largest first."""


class BindingCheckpoints(Struct, frozen=True, kw_only=True):
    """Finds the newest checkpoints that bind a ledger."""

    published: CheckpointStore
    outside: Notes
    restores: Restores
    is_signed: IsSigned

    async def __call__(self, ledger_id: str, origin: str) -> Sequence[Kept]:
        """
        Return at most one checkpoint from each place; what was lost by an accepted restore binds no more.

        Args:
            ledger_id: which ledger.
            origin: its origin.

        Raises:
            Unavailable: a place cannot be read, so that nobody knows what binds the ledger.
        """
        newest = await self.published.newest(ledger_id)
        kept = [] if newest is None else [Kept(size=newest.size, root=newest.root, note=newest.note, place=DATABASE)]
        restores = await self.restores(ledger_id, origin)
        for incarnation, size, note in self.outside(origin):
            if is_lost(size, incarnation, restores):
                continue
            if checkpoint := genuine_checkpoint(note, size, origin, self.is_signed):
                return [*kept, Kept(size=size, root=checkpoint.root, note=note, place=OUTSIDE)]
        return kept
