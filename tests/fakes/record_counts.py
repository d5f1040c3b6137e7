"""``ports.record_counts.RecordCounts`` over the ledgers in memory; it remembers which ranges were read."""

from collections.abc import Sequence
from itertools import groupby

from governlayer_server.domain.record_counts import TypeCount
from governlayer_server.ports.ledger import RecordFilter

from tests.fakes.ledger_store import MemoryLedgerStore


class MemoryRecordCounts:
    def __init__(self, ledger: MemoryLedgerStore) -> None:
        self._ledger = ledger
        self.read: list[tuple[int, int]] = []

    async def by_type(self, ledger_id: str, first: int, last: int) -> Sequence[TypeCount]:
        self.read.append((first, last))
        records = await self._ledger.records(ledger_id, first - 1, last - first + 1, RecordFilter())
        found = sorted((one.type, one.time_us) for one in records)
        return [
            TypeCount(type=name, count=len(times), oldest_us=times[0], newest_us=times[-1])
            for name, group in groupby(found, lambda one: one[0])
            for times in [[time_us for _, time_us in group]]
        ]
