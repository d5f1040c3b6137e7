"""``ports.ledger.LedgerStore`` in memory. ``failure`` makes the next appends fail."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from governlayer_server.domain.errors import ConfigurationError, NotFound
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.growth import Growth, Prepared
from governlayer_server.domain.ledger.record import Record
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import (
    AnswerExists,
    Append,
    Entry,
    RecordFilter,
    StoredAnswer,
    StoredRecord,
    SubjectGone,
)

from tests.fakes.data_keys import MemoryDataKeys
from tests.fakes.tiles import MemoryTiles


class _Ledger:
    def __init__(self, origin: str) -> None:
        self.head = empty_head(origin)
        self.rows: list[tuple[Append, Record]] = []
        self.answers: dict[bytes, tuple[StoredAnswer, int]] = {}
        self.lock = asyncio.Lock()


class MemoryLedgerStore(MemoryTiles):
    def __init__(self, clock: Clock, data_keys: MemoryDataKeys | None = None) -> None:
        super().__init__()
        self._clock = clock
        self._data_keys = data_keys or MemoryDataKeys()
        self._ledgers: dict[str, _Ledger] = {}
        self.failure: Exception | None = None

    async def create(self, ledger_id: str, organization_id: UUID | None, origin: str) -> None:
        ledger = self._ledgers.setdefault(ledger_id, _Ledger(origin))
        if ledger.head.origin != origin:
            raise ConfigurationError(f"the ledger {ledger_id} exists with another origin")

    async def append(self, append: Append) -> Entry:
        ledger = self._ledger(append.ledger_id)
        async with ledger.lock:
            await asyncio.sleep(0)
            if self.failure is not None:
                raise self.failure
            before, now_us = ledger.head, self._clock.now_us()
            if append.remember and (kept := await self.answer(append.ledger_id, append.remember.key, now_us)):
                raise AnswerExists(kept)
            known = {key.id for key in self._data_keys.of_subjects.get(append.ledger_id, {}).values()}
            if not known.issuperset(append.subjects):
                raise SubjectGone
            growth = Growth(before, now_us)
            record = growth.append(Prepared(append.draft))
            ledger.rows.append((append, record))
            ledger.head = growth.head
            if append.remember is not None:
                answer = StoredAnswer(
                    body=append.remember.body,
                    sealed=append.remember.sealed,
                    record_id=append.record_id,
                    size=growth.head.size,
                    proof=growth.inclusion_proof(record.seq),
                )
                ledger.answers[append.remember.key] = (answer, append.remember.expires_us)
        return Entry(record=record, growth=growth)

    async def answer(self, ledger_id: str, key: bytes, now_us: int) -> StoredAnswer | None:
        answer, expires_us = self._ledger(ledger_id).answers.get(key, (None, 0))
        return answer if expires_us > now_us else None

    def expired_answers(self, ledger_id: str, before_us: int) -> tuple[dict[bytes, Any], list[bytes]]:
        """All answers of the ledger, and the keys of those that expired before."""
        answers = self._ledgers[ledger_id].answers if ledger_id in self._ledgers else {}
        return answers, [key for key, (_, expires_us) in answers.items() if expires_us < before_us]

    async def head(self, ledger_id: str) -> Head:
        return self._ledger(ledger_id).head

    async def place_of(self, ledger_id: str, record_id: UUID) -> Record:
        for append, record in self._ledger(ledger_id).rows:
            if append.record_id == record_id:
                return record
        raise NotFound("there is no such record")

    async def record(self, ledger_id: str, seq: int) -> Record:
        for _, record in self._ledger(ledger_id).rows:
            if record.seq == seq:
                return record
        raise NotFound("there is no such record")

    async def records(self, ledger_id: str, after_seq: int, limit: int, only: RecordFilter) -> Sequence[Record]:
        rows = self._ledger(ledger_id).rows
        return [record for append, record in rows if record.seq > after_seq and _fits(append, record, only)][:limit]

    async def stream(self, ledger_id: str, first: int, last: int, names: Sequence[str]) -> AsyncIterator[StoredRecord]:
        for append, record in self._ledger(ledger_id).rows:
            if not first <= record.seq <= last:
                continue
            payloads = sorted((one for one in append.payloads if one.name in names), key=lambda one: one.name)
            yield StoredRecord(record_id=append.record_id, record=record, payloads=tuple(payloads))

    def rows_of(self, ledger_id: str) -> list[tuple[Append, Record]]:
        return self._ledger(ledger_id).rows

    def sizes(self) -> dict[str, int]:
        return {ledger_id: one.head.size for ledger_id, one in self._ledgers.items()}

    def canonical(self, ledger_id: str) -> list[bytes]:
        return [record.canonical for _, record in self._ledger(ledger_id).rows]

    def replace(self, ledger_id: str, record: Record) -> None:
        """What nobody may do: change a record behind the store's back."""
        rows = self._ledger(ledger_id).rows
        rows[record.seq] = (rows[record.seq][0], record)

    def snapshot(self) -> dict[str, tuple[Head, int]]:
        return {ledger_id: (one.head, len(one.rows)) for ledger_id, one in self._ledgers.items()}

    def restore(self, snapshot: dict[str, tuple[Head, int]]) -> None:
        """What a transaction that was rolled back leaves: as it was."""
        for ledger_id in list(self._ledgers):
            if ledger_id not in snapshot:
                del self._ledgers[ledger_id]
                continue
            ledger = self._ledgers[ledger_id]
            ledger.head, size = snapshot[ledger_id]
            gone = {append.record_id for append, _ in ledger.rows[size:]}
            ledger.answers = {key: kept for key, kept in ledger.answers.items() if kept[0].record_id not in gone}
            del ledger.rows[size:]

    def _ledger(self, ledger_id: str) -> _Ledger:
        if ledger_id not in self._ledgers:
            raise NotFound("there is no such ledger")
        return self._ledgers[ledger_id]


def _fits(append: Append, record: Record, only: RecordFilter) -> bool:
    wanted = ((only.type, record.type), (only.agent, append.agent), (only.decision, append.decision))
    if any(want is not None and want != has for want, has in wanted):
        return False
    return (only.from_us is None or record.time_us >= only.from_us) and (
        only.to_us is None or record.time_us < only.to_us
    )
