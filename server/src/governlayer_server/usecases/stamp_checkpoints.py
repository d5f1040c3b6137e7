"""Have published checkpoints stamped by a time stamp authority (RFC 3161)."""

from msgspec import Struct

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.ports import Clock
from governlayer_server.ports.anchors import AnchorStore, StoredTimestamp, TimestampAuthority
from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.usecases.anchor_health import AnchorHealth

_AT_ONCE = 100
_SKEW_US = 5 * MINUTE_US


class StampCheckpoints(Struct, frozen=True, kw_only=True):
    """Has the newest checkpoint of each ledger stamped, at most once in ``interval_us``; one request at a time."""

    authority: TimestampAuthority
    interval_us: int
    anchors: AnchorStore
    checkpoints: CheckpointStore
    clock: Clock
    health: AnchorHealth

    async def __call__(self) -> None:
        """
        Do one turn: all ledgers that are due, until the authority fails to answer.

        Raises:
            LedgerUnavailable: the database is away.
        """
        if self.health.rests():
            return
        await self.health.refresh()
        before_us = self.clock.now_us() - self.interval_us
        for ledger_id in await self.anchors.to_stamp(before_us, self.health.resting(), _AT_ONCE):
            await self.health.attempt(ledger_id, self._stamp(ledger_id))
            if self.health.rests():
                return

    async def _stamp(self, ledger_id: str) -> int:
        newest = await self.checkpoints.newest(ledger_id)
        if newest is None:
            raise NoteError("there is no published checkpoint any more")
        token, time_us = await self.authority.stamp(parse_checkpoint(newest.note).text.encode())
        if abs(time_us - self.clock.now_us()) > _SKEW_US:
            raise NoteError("the clock of the authority is more than 5 minutes from the one here")
        await self.anchors.add_timestamp(
            StoredTimestamp(ledger_id=ledger_id, size=newest.size, token=token, time_us=time_us)
        )
        return time_us
