"""``ports.ledger_audit.LedgerAudit`` over the ledgers in memory: the part that verifying asks for."""

from collections.abc import Sequence
from typing import Any

from governlayer_server.domain.ledger.audit import StoredLedger, StoredRow

from tests.fakes.ledger_store import MemoryLedgerStore
from tests.fakes.stored_rows import stored


class MemoryLedgerAudit:
    """``columns`` are what somebody wrote into the columns of a record, by ledger and seq."""

    def __init__(self, ledger: MemoryLedgerStore) -> None:
        self._ledger = ledger
        self.columns: dict[tuple[str, int], dict[str, Any]] = {}

    async def ledger(self, ledger_id: str) -> StoredLedger:
        return stored(await self._ledger.head(ledger_id))

    async def rows(self, ledger_id: str, first: int, last: int) -> Sequence[StoredRow]:
        return [
            StoredRow(**{**row, **self.columns.get((ledger_id, row["seq"]), {})})
            for row in (self._row(append, record) for append, record in self._ledger.rows_of(ledger_id))
            if first <= row["seq"] <= last
        ]

    @staticmethod
    def _row(append: Any, record: Any) -> dict[str, Any]:
        columns = ("seq", "type", "time_us", "canonical", "hash", "prev_hash")
        beside = {"record_id": append.record_id, "agent": append.agent, "decision": append.decision}
        return beside | {name: getattr(record, name) for name in columns}
