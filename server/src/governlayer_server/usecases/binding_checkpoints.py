"""Which checkpoints a ledger has to extend: the newest in the database, and the newest outside of it."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.note import ParsedCheckpoint, parse_checkpoint
from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.ports.refusals import Restored
from governlayer_server.usecases.check_ledgers import DATABASE, OUTSIDE, Kept

Notes = Callable[[str], Iterator[tuple[int, str]]]
"""Yields size and note of what is kept outside of an origin, largest first."""
IsSigned = Callable[[ParsedCheckpoint], bool]
"""Returns whether a key that this deployment has, or had, signed a checkpoint."""


class BindingCheckpoints(Struct, frozen=True, kw_only=True):
    """Finds the newest checkpoints that bind a ledger."""

    published: CheckpointStore
    outside: Notes
    is_signed: IsSigned

    async def __call__(self, ledger_id: str, origin: str, restores: Sequence[Restored]) -> Sequence[Kept]:
        """
        Return at most one checkpoint from each place.

        Args:
            ledger_id: which ledger.
            origin: its origin.
            restores: those that its operator has accepted: what was lost by them binds no more.

        Raises:
            Unavailable: a place cannot be read, so that nobody knows what binds the ledger.
        """
        newest = await self.published.newest(ledger_id)
        kept = [] if newest is None else [Kept(size=newest.size, root=newest.root, note=newest.note, place=DATABASE)]
        for size, note in self.outside(origin):
            if not _is_lost(size, restores) and (checkpoint := self._genuine(note, size, origin)):
                return [*kept, Kept(size=size, root=checkpoint.root, note=note, place=OUTSIDE)]
        return kept

    def _genuine(self, note: str, size: int, origin: str) -> ParsedCheckpoint | None:
        """Return what *note* says, if it is a signed checkpoint of that size: a file may be anybody's."""
        try:
            checkpoint = parse_checkpoint(note)
        except NoteError:
            return None
        is_of_ledger = (checkpoint.size, checkpoint.origin) == (size, origin)
        return checkpoint if is_of_ledger and self.is_signed(checkpoint) else None


def _is_lost(size: int, restores: Sequence[Restored]) -> bool:
    return any(one.kept < size <= one.lost for one in restores)
