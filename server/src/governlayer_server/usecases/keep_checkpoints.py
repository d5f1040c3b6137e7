"""Keep a copy of every published checkpoint outside the database: in a write-once directory, in the system's log."""

from typing import NamedTuple

from governlayer_server.domain.errors import Inconsistent
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.ports import Clock
from governlayer_server.ports.anchors import AnchorStore, KeptNotes
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore
from governlayer_server.usecases.accepted_restores import FIRST, Restores
from governlayer_server.usecases.anchor_health import AnchorHealth

_AT_ONCE = 100


class _Reached(NamedTuple):
    """What a place has of a ledger: which incarnation of it, up to which size."""

    incarnation: str
    size: int


class KeepCheckpoints:
    """
    Hands each published checkpoint to one place, in order, from where that place or this process left off.

    Args:
        notes: the place.
        anchors: tell which ledgers have grown.
        checkpoints: what was published.
        clock: for the time of the last one kept.
        health: of this place.
        restores: those of a ledger that its operator has accepted: the history after each is kept apart.
    """

    def __init__(
        self,
        notes: KeptNotes,
        anchors: AnchorStore,
        checkpoints: CheckpointStore,
        clock: Clock,
        health: AnchorHealth,
        restores: Restores,
    ) -> None:
        self._notes = notes
        self._anchors = anchors
        self._checkpoints = checkpoints
        self._clock = clock
        self._health = health
        self._restores = restores
        self._reached: dict[str, _Reached] = {}

    async def __call__(self) -> None:
        """
        Do one turn: all ledgers with new checkpoints, until the place fails.

        Raises:
            LedgerUnavailable: the database is away.
        """
        resting = self._health.resting()
        for ledger_id, size in (await self._anchors.published_sizes()).items():
            reached = self._reached.get(ledger_id)
            if "" in resting or ledger_id in resting or (reached is not None and reached.size == size):
                continue
            await self._health.attempt(ledger_id, self._catch_up(ledger_id, size))
            if self._health.rests():
                return

    async def _catch_up(self, ledger_id: str, size: int) -> int:
        """Return the time, once the place has what was published after what it had."""
        reached = self._reached.pop(ledger_id, None)
        if reached is None or reached.size > size:  # the database was put back: the place knows more
            reached = await self._start(ledger_id)
        self._reached[ledger_id] = reached
        for one in await self._checkpoints.after(ledger_id, reached.size, _AT_ONCE):
            await self._notes.keep(parse_checkpoint(one.note).origin, one.size, one.note, reached.incarnation)
            self._reached[ledger_id] = reached._replace(size=one.size)
        return self._clock.now_us()

    async def _start(self, ledger_id: str) -> _Reached:
        """Return after what the place needs checkpoints; what it has must be what was published."""
        first = await self._newest(ledger_id)
        if not self._notes.remembers:
            return _Reached(FIRST, first.extends)
        origin = parse_checkpoint(first.note).origin
        restores = await self._restores(ledger_id, origin)
        begun = _Reached(restores[-1].incarnation, restores[-1].kept) if restores else _Reached(FIRST, 0)
        kept = await self._notes.newest(origin, begun.incarnation)
        if kept is None:
            return begun
        found = parse_checkpoint(kept)
        published = await self._checkpoints.at(ledger_id, found.size)
        if published is None or parse_checkpoint(published.note).text != found.text:
            raise Inconsistent("a checkpoint was kept that is not among those published")
        return begun._replace(size=found.size)

    async def _newest(self, ledger_id: str) -> Checkpoint:
        newest = await self._checkpoints.newest(ledger_id)
        if newest is None:
            raise Inconsistent("there is no published checkpoint any more")
        return newest
