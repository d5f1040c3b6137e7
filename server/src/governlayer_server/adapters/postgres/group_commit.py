"""
Group commit: the appends that wait at the same time become durable together, in one transaction over their ledgers.

There is no timer and no leader. A lonely append is a batch of its own and goes at once; while a batch is on its way,
others gather for the next. Each replica remembers the heads that it wrote last and makes its records for them; the
database compares (``appending.write``). Where another replica was faster, the heads are locked first and the records
made under the lock: that cannot fail for the same reason, so each turn of each replica gets through.

A ledger that is found shorter than it was, or as long with another head, was put back while this process ran: it is
closed (``ports.refusals``) before anything is written or signed over what this process has signed already.
"""

import asyncio
import json
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from governlayer_server.adapters.postgres.appending import (
    SUBJECT_GONE,
    Growing,
    Moved,
    Placed,
    lock_heads,
    write,
)
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.domain.errors import GovernLayerError, LedgerRefused, LedgerUnavailable, Overloaded
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.growth import Growth, Prepared
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import AnswerExists, Append, Entry, SubjectGone
from governlayer_server.ports.refusals import NoGuard, Refusal, WriteGuard

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

MAX_WAITING = 4_096
MAX_BATCH = 1_024
_MAX_BATCH_BYTES = 32 * 1_048_576
_MAX_HEADS = 10_000
# Who waited for longer has been answered by the deadline of requests: what was never sent is not written any more.
_MAX_AGE_S = 5.0
# The database says that it wrote nothing of what it was given; it may be due to one of many.
_REFUSALS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)


class _Waiting(NamedTuple):
    append: Append
    prepared: Prepared
    entry: "asyncio.Future[Entry]"
    since_s: float

    @property
    def question(self) -> tuple[str, bytes]:
        """The idempotency key with its ledger; no two without a key are the same question."""
        kept = self.append.remember
        return self.append.ledger_id, self.append.record_id.bytes if kept is None else kept.key

    @property
    def bytes(self) -> int:
        """How much is stored beside the record."""
        kept = self.append.remember
        return sum(len(one.sealed) for one in self.append.payloads) + (len(kept.sealed) if kept else 0)

    def fail(self, error: Exception) -> None:
        """Answer with *error*, unless the caller has gone."""
        if not self.entry.done():
            self.entry.set_exception(error)


class GroupCommit:
    """
    The queue of one process, and the task that empties it; any number of processes may write to the same ledgers.

    Args:
        database: where the ledgers are.
        clock: of the records' times.
        guard: closes what was put back.
        max_waiting: how many appends may wait; what comes then is refused at once.
    """

    def __init__(
        self, database: Database, clock: Clock, guard: WriteGuard | None = None, max_waiting: int = MAX_WAITING
    ) -> None:
        self._database = database
        self._clock = clock
        self._guard = guard or NoGuard()
        self._max_waiting = max_waiting
        self._queue: deque[_Waiting] = deque()
        self._heads: OrderedDict[str, Head] = OrderedDict()
        self._contended: set[str] = set()
        self._drain: asyncio.Task[None] | None = None

    async def append(self, append: Append) -> Entry:
        """
        Return the record once it is durable. A caller that goes away does not keep it from being written.

        Raises:
            Overloaded: too many are waiting. Nothing was appended.
            LedgerFormatError, NotFound, AnswerExists, SubjectGone, LedgerUnavailable: see
                ``ports.ledger.LedgerStore.append``.
        """
        prepared = Prepared(append.draft)
        if len(self._queue) >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} records are waiting to be written; nothing was recorded")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(append, prepared, loop.create_future(), loop.time())
        self._queue.append(waiting)
        if self._drain is None or self._drain.done():
            self._drain = loop.create_task(self._empty_queue())
        return await waiting.entry

    async def _empty_queue(self) -> None:
        batch: Sequence[_Waiting] = ()
        try:
            while self._queue:
                batch = self._take()
                await self._commit(batch)
        except BaseException:
            self._give_up([*batch, *self._queue], LedgerUnavailable("the appliance is stopping, or has failed"))
            self._queue.clear()
            raise

    def _take(self) -> list[_Waiting]:
        """Return what is written next, ascending by ledger; of one idempotency key the first only."""
        oldest = asyncio.get_running_loop().time() - _MAX_AGE_S
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        asked: set[tuple[str, bytes]] = set()
        size = 0
        while self._queue and len(batch) < MAX_BATCH and size < _MAX_BATCH_BYTES:
            one = self._queue.popleft()
            if one.since_s < oldest:
                one.fail(LedgerUnavailable("the record waited for too long and was not written"))
            elif one.question in asked:
                later.append(one)
            else:
                asked.add(one.question)
                batch.append(one)
                size += one.bytes
        self._queue.extendleft(reversed(later))
        batch.sort(key=lambda one: one.append.ledger_id)
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        """Write *batch* and answer all who wait for it; nobody gets an error for what another one brought."""
        try:
            async with self._database.connection(for_writer=True) as connection:
                written, put_back = await self._commit_on(connection, batch)
        except LedgerUnavailable as error:
            if len(batch) > 1 and isinstance(error.__cause__, _REFUSALS):
                middle = len(batch) // 2
                await self._commit(batch[:middle])
                await self._commit(batch[middle:])
            elif _names_the_erased(error):
                self._give_up(batch, SubjectGone())
            else:
                self._give_up(batch, error)
            return
        # The batch stands, whether or not a refusal can be stored: the ledger is closed here all the same.
        for refusal in put_back:
            with suppress(LedgerUnavailable):
                await self._guard.refuse(refusal)
        self._answer(written)

    async def _commit_on(
        self, connection: "PoolConnectionProxy", batch: Sequence[_Waiting]
    ) -> tuple["Written", Sequence[Refusal]]:
        """Make *batch* durable; return what to tell those who wait, and which ledgers were found put back."""
        ledger_ids = sorted({one.append.ledger_id for one in batch})
        known = {one: self._heads[one] for one in ledger_ids if one in self._heads and one not in self._contended}
        if len(known) == len(ledger_ids):
            try:
                return await self._write(connection, batch, known), ()
            except Moved as moved:
                self._contended.add(str(moved))
        async with connection.transaction():
            heads = await lock_heads(connection, ledger_ids)
            put_back = self._leave_out_what_was_put_back(heads)
            written = await self._write(connection, batch, heads)
        self._note_contention(heads)
        return written, put_back

    def _leave_out_what_was_put_back(self, heads: dict[str, Head | Exception]) -> list[Refusal]:
        """Put a refusal in the place of each head that is not beyond the one that this process wrote or saw last."""
        found = []
        for ledger_id, head in heads.items():
            last = self._heads.get(ledger_id)
            if last is None or isinstance(head, Exception):
                continue
            if head.size < last.size or (head.size == last.size and head.hash != last.hash):
                heads[ledger_id] = LedgerRefused()
                found.append(_put_back(ledger_id, last, head, self._clock.now_us()))
        return found

    async def _write(
        self, connection: "PoolConnectionProxy", batch: Iterable[_Waiting], heads: Mapping[str, Head | Exception]
    ) -> "Written":
        """Write those of *batch* that can be, again without those whose question turns out to be answered."""
        waiting, answered = list(batch), list[tuple[_Waiting, Exception]]()
        while True:
            now_us = self._clock.now_us()
            growing, entries, refused = _compose(waiting, heads, now_us)
            kept = await write(connection, growing, now_us) if growing else {}
            if not kept:
                return Written(growing, entries, [*answered, *refused])
            answered += [(one, AnswerExists(kept[one.question])) for one in waiting if one.question in kept]
            waiting = [one for one in waiting if one.question not in kept]

    def _answer(self, written: "Written") -> None:
        for growing in written.growing:
            self._heads[growing.ledger_id] = growing.growth.head
            self._heads.move_to_end(growing.ledger_id)
        while len(self._heads) > _MAX_HEADS:
            self._heads.popitem(last=False)
        for one, entry in written.entries:
            if not one.entry.done():
                one.entry.set_result(entry)
        for one, error in written.refused:
            one.fail(error)

    def _note_contention(self, heads: Mapping[str, Head | Exception]) -> None:
        """Lock first next time, where others wrote since our last turn; not any more, where none did."""
        for ledger_id, head in heads.items():
            last = self._heads.get(ledger_id)
            if last is None or (isinstance(head, Head) and last.hash == head.hash):
                self._contended.discard(ledger_id)
            else:
                self._contended.add(ledger_id)

    def _give_up(self, batch: Iterable[_Waiting], error: Exception) -> None:
        """Answer with *error*: whether the batch was written is not known, so the next one locks first."""
        for one in batch:
            self._contended.add(one.append.ledger_id)
            one.fail(error)


def _names_the_erased(error: LedgerUnavailable) -> bool:
    cause = error.__cause__
    return isinstance(cause, asyncpg.ForeignKeyViolationError) and cause.constraint_name == SUBJECT_GONE


def _put_back(ledger_id: str, last: Head, found: Head, now_us: int) -> Refusal:
    facts = {
        "fault": "the ledger was put back while the appliance ran",
        "found": {"hash": found.hash.hex(), "size": found.size},
        "known": {"hash": last.hash.hex(), "size": last.size},
    }
    return Refusal(ledger_id=ledger_id, found_us=now_us, evidence=json.dumps(facts))


class Written(NamedTuple):
    """What one turn has done, to be told to those who wait once it is durable."""

    growing: Sequence[Growing]
    entries: Sequence[tuple[_Waiting, Entry]]
    refused: Sequence[tuple[_Waiting, Exception]]


def _compose(
    waiting: Iterable[_Waiting], heads: Mapping[str, Head | Exception], now_us: int
) -> tuple[list[Growing], list[tuple[_Waiting, Entry]], list[tuple[_Waiting, Exception]]]:
    """Return the ledgers as they grow, what each of those who wait gets, and who gets nothing and why."""
    growing: list[Growing] = []
    entries: list[tuple[_Waiting, Entry]] = []
    refused: list[tuple[_Waiting, Exception]] = []
    for ledger_id, group in groupby(waiting, key=lambda one: one.append.ledger_id):
        head = heads[ledger_id]
        if isinstance(head, Exception):
            refused += [(one, head) for one in group]
            continue
        each = Growing(ledger_id, Growth(head, now_us), placed := list[Placed]())
        for one in group:
            try:
                record = each.growth.append(one.prepared)
            except GovernLayerError as error:
                refused.append((one, error))
            else:
                placed.append(Placed(one.append, record))
                entries.append((one, each.entry(record)))
        if placed:
            growing.append(each)
    return growing, entries, refused
