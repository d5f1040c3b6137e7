"""The checkpoints in a dump that lead its reader from an old signing key to the one that followed (ledger-v1 §5)."""

import msgspec
from msgspec import Struct

from governlayer_server.domain.ledger.record import Record
from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.usecases.record_key_event import KEY_RECORD, KeyEvent


class _Body(Struct):
    event: str


class _KeyRecord(Struct):
    body: _Body


class KeyTrail:
    """
    Follows the records of one dump in their order.

    Who trusts the old key alone trusts the new one once a checkpoint by the old key covers its introduction. The
    checkpoint at the end of the dump is by the new one: so the last one that both signed belongs into it. One that does
    not cover ``newest_introduction``, the seq of the record, says nothing to who trusts the new key alone.
    """

    def __init__(self, checkpoints: CheckpointStore, ledger_id: str) -> None:
        self._checkpoints = checkpoints
        self._ledger_id = ledger_id
        self._introduced: int | None = None
        self.newest_introduction = -1

    async def after(self, record: Record) -> str | None:
        """Return the note of the checkpoint that belongs into the dump after *record*, if one does."""
        if record.type != KEY_RECORD:
            return None
        if msgspec.json.decode(record.canonical, type=_KeyRecord).body.event == KeyEvent.INTRODUCED:
            self._introduced = self.newest_introduction = record.seq
            return None
        return await self.at_end(record.seq)

    async def at_end(self, size: int) -> str | None:
        """Return the same of a dump whose records end at *size*."""
        introduced, self._introduced = self._introduced, None
        if introduced is None:
            return None
        newest = await self._checkpoints.newest_within(self._ledger_id, size)
        return newest.note if newest is not None and newest.size > introduced else None
