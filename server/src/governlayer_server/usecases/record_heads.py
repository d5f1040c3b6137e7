"""
Record the heads: once an hour the size and root of every other ledger, in the ledger of the deployment (ledger-v1 §3).

A whole ledger that was deleted, or put back with all its checkpoints, is found by whoever holds the system ledger. Of
one that cannot be read, that is what is recorded: size and root are null.
"""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct, field

from governlayer_server.domain.errors import LedgerDamaged, NotFound
from governlayer_server.domain.ids import uuid8
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.ledger.tree import root
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.domain.times import DAY_US, HOUR_US, time_text
from governlayer_server.ports import Clock
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import AnswerExists, Append, LedgerStore, Remember

HEADS_RECORD: RecordType = "ledger.heads"
# An entry has at most 128 bytes: a record of them stays below 16,384.
PER_RECORD = 100


class RecordHeads(Struct, frozen=True, kw_only=True):
    """Records the heads. Any number of replicas may: each hour is recorded once, the first time it is asked for."""

    ledger: LedgerStore
    accounts: AccountStore
    clock: Clock
    done: set[int] = field(default_factory=set)

    async def __call__(self) -> None:
        """
        Record the heads of this hour (UTC), as many as are not recorded yet.

        Raises:
            LedgerUnavailable: the database is away; what was recorded stands.
        """
        hour_us = self.clock.now_us() // HOUR_US * HOUR_US
        if hour_us in self.done:
            return
        # Oldest first, and none is ever removed: a part has the same ledgers whoever records it.
        ids = [str(one.id) for one in await self.accounts.organizations()]
        for part, start in enumerate(range(0, len(ids), PER_RECORD)):
            await self._record_once(hour_us, part, ids[start : start + PER_RECORD])
        self.done.clear()
        self.done.add(hour_us)

    async def _record_once(self, hour_us: int, part: int, ids: Sequence[str]) -> None:
        record_id = uuid8(f"{HEADS_RECORD}/{hour_us}/{part}")
        key, now_us = record_id.bytes, self.clock.now_us()
        if await self.ledger.answer(SYSTEM_LEDGER, key, now_us) is not None:
            return
        body = {"heads": [await self._head(one) for one in ids], "hour": time_text(hour_us), "part": part}
        draft = Draft(type=HEADS_RECORD, actor=SYSTEM, body=body)
        once = Remember(key=key, body=key, sealed=b"", expires_us=now_us + DAY_US)
        with suppress(AnswerExists):  # another replica was quicker
            await self.ledger.append(Append(ledger_id=SYSTEM_LEDGER, record_id=record_id, draft=draft, remember=once))

    async def _head(self, ledger_id: str) -> dict[str, object]:
        try:
            head = await self.ledger.head(ledger_id)
        except (NotFound, LedgerDamaged):  # the others are recorded all the same
            return {"id": ledger_id, "root": None, "size": None}
        return {"id": ledger_id, "root": root(head.edge).hex(), "size": head.size}
