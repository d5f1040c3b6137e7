"""Keep a copy of every published checkpoint outside the database: in a write-once directory, in the system's log."""

from collections.abc import Awaitable, Callable, Sequence

from governlayer_server.domain.errors import Inconsistent
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.ports import Clock
from governlayer_server.ports.anchors import AnchorStore, KeptNotes
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore
from governlayer_server.ports.refusals import Restored
from governlayer_server.usecases.anchor_health import AnchorHealth

_AT_ONCE = 100


class KeepCheckpoints:
    """
    Hands each published checkpoint to one place, in order, from where that place or this process left off.

    Args:
        notes: the place.
        anchors: tell which ledgers have grown.
        checkpoints: what was published.
        clock: for the time of the last one kept.
        health: of this place.
        restores: those of a ledger that its operator has accepted: what was lost by them contradicts nothing.
    """

    def __init__(
        self,
        notes: KeptNotes,
        anchors: AnchorStore,
        checkpoints: CheckpointStore,
        clock: Clock,
        health: AnchorHealth,
        restores: Callable[[str], Awaitable[Sequence[Restored]]],
    ) -> None:
        self._notes = notes
        self._anchors = anchors
        self._checkpoints = checkpoints
        self._clock = clock
        self._health = health
        self._restores = restores
        self._reached: dict[str, int] = {}

    async def __call__(self) -> None:
        """
        Do one turn: all ledgers with new checkpoints, until the place fails.

        Raises:
            LedgerUnavailable: the database is away.
        """
        resting = self._health.resting()
        for ledger_id, size in (await self._anchors.published_sizes()).items():
            if "" in resting or ledger_id in resting or self._reached.get(ledger_id) == size:
                continue
            await self._health.attempt(ledger_id, self._catch_up(ledger_id, size))
            if self._health.rests():
                return

    async def _catch_up(self, ledger_id: str, size: int) -> int:
        """Return the time, once the place has what was published after what it had."""
        if self._reached.get(ledger_id, size) > size:
            del self._reached[ledger_id]  # the database was put back: the place knows more
        if ledger_id not in self._reached:
            self._reached[ledger_id] = await self._start(ledger_id)
        for one in await self._checkpoints.after(ledger_id, self._reached[ledger_id], _AT_ONCE):
            await self._notes.keep(parse_checkpoint(one.note).origin, one.size, one.note)
            self._reached[ledger_id] = one.size
        return self._clock.now_us()

    async def _start(self, ledger_id: str) -> int:
        """Return the size after which the place needs checkpoints; what it has must be what was published."""
        first = await self._newest(ledger_id)
        if not self._notes.remembers:
            return first.extends
        kept = await self._notes.newest(parse_checkpoint(first.note).origin)
        if kept is None:
            return 0
        found = parse_checkpoint(kept)
        published = await self._checkpoints.at(ledger_id, found.size)
        if published is None or parse_checkpoint(published.note).text != found.text:
            await self._require_restore(ledger_id, found.size)
        return found.size

    async def _require_restore(self, ledger_id: str, size: int) -> None:
        if not any(one.kept < size <= one.lost for one in await self._restores(ledger_id)):
            raise Inconsistent("a checkpoint was kept that is not among those published")

    async def _newest(self, ledger_id: str) -> Checkpoint:
        newest = await self._checkpoints.newest(ledger_id)
        if newest is None:
            raise Inconsistent("there is no published checkpoint any more")
        return newest
