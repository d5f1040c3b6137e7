"""``ports.holds`` in memory, over the ledgers, keys and erasures in memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from governlayer_server.domain.erasure import Range
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.legal_hold import HoldKind
from governlayer_server.ports.holds import StoredHold
from governlayer_server.ports.ledger import Append
from msgspec.structs import replace

if TYPE_CHECKING:
    from tests.fakes.erasures import MemoryErasures

Holds = dict[UUID, StoredHold]


class MemoryLedgerHolds:
    def __init__(self, erasures: "MemoryErasures", ledger_id: str) -> None:
        self._all = erasures
        self._ledger_id = ledger_id
        self._ledger = erasures.ledger._ledger(ledger_id)
        self._holds = erasures.holds.setdefault(ledger_id, {})

    async def add(self, hold: StoredHold) -> None:
        self._holds[hold.id] = hold

    async def one(self, hold_id: UUID) -> StoredHold:
        if hold_id not in self._holds:
            raise NotFound("there is no such legal hold")
        return self._holds[hold_id]

    async def release(self, hold: StoredHold) -> None:
        self._holds[hold.id] = hold

    async def has_subject(self, subject_id: UUID) -> bool:
        mine = self._all.data_keys.of_subjects.get(self._ledger_id, {})
        return subject_id in {key.id for key in mine.values()}

    async def against(self, ranges: Sequence[Range], subjects: Sequence[UUID], *, everything: bool) -> UUID | None:
        rows = [(record.seq, append) for append, record in self._ledger.rows]
        inside = [one for one in rows if any(first <= one[0] <= last for first, last in ranges)]
        for hold in self._in_force():
            if everything or hold.scope.subject_id in subjects or any(_covers(hold, *one) for one in inside):
                return hold.id
            if hold.scope.kind is HoldKind.ORGANIZATION or _overlaps(hold, ranges):
                return hold.id
        return None

    async def destroy_expired(self, seqs: Sequence[int], names: Sequence[str]) -> Sequence[int]:
        destroyed, named = [], set[UUID]()
        for place, (append, record) in enumerate(self._ledger.rows):
            if record.seq not in seqs or not self.free(record.seq, append, names):
                continue
            left = tuple(one for one in append.payloads if "*" not in names and one.name not in names)
            subjects = append.subjects if left else ()
            named.update(set(append.subjects) - set(subjects))
            self._ledger.rows[place] = (replace(append, payloads=left, subjects=subjects), record)
            destroyed.append(record.seq)
        self._destroy_keys(named)
        return destroyed

    def _destroy_keys(self, named: set[UUID]) -> None:
        needed = {subject for append, _ in self._ledger.rows for subject in append.subjects}
        mine = self._all.data_keys.of_subjects.get(self._ledger_id, {})
        for index in [index for index, key in mine.items() if key.id in named - needed]:
            del mine[index]

    def free(self, seq: int, append: Append, names: Sequence[str]) -> bool:
        """Whether it has such payloads, and no hold covers them."""
        concerned = any("*" in names or one.name in names for one in append.payloads)
        return concerned and not any(_covers(hold, seq, append) for hold in self._in_force())

    def _in_force(self) -> list[StoredHold]:
        return [hold for _, hold in sorted(self._holds.items()) if hold.released_us is None]


class MemoryHolds:
    def __init__(self, erasures: "MemoryErasures") -> None:
        self._all = erasures

    async def one(self, ledger_id: str, hold_id: UUID) -> StoredHold:
        return await MemoryLedgerHolds(self._all, ledger_id).one(hold_id)

    async def page(self, ledger_id: str, after: UUID | None, limit: int) -> Sequence[StoredHold]:
        found = sorted(self._all.holds.get(ledger_id, {}).items())
        return [hold for key, hold in found if after is None or key > after][:limit]

    async def last_before(self, ledger_id: str, time_us: int) -> int:
        rows = self._all.ledger.rows_of(ledger_id)
        return max((record.seq for _, record in rows if record.time_us < time_us), default=-1)

    async def expired(self, ledger_id: str, names: Sequence[str], after: int, last: int, limit: int) -> Sequence[int]:
        holds = MemoryLedgerHolds(self._all, ledger_id)
        rows = self._all.ledger.rows_of(ledger_id)
        fit = [one.seq for append, one in rows if after < one.seq <= last and holds.free(one.seq, append, names)]
        return fit[:limit]


def _covers(hold: StoredHold, seq: int, append: Append) -> bool:
    scope = hold.scope
    if scope.kind is HoldKind.SUBJECT:
        return scope.subject_id in append.subjects
    return scope.kind is HoldKind.ORGANIZATION or _overlaps(hold, [(seq, seq)])


def _overlaps(hold: StoredHold, ranges: Sequence[Range]) -> bool:
    if hold.scope.first_seq is None:
        return False
    end = float("inf") if hold.scope.last_seq is None else hold.scope.last_seq
    return any(hold.scope.first_seq <= last and first <= end for first, last in ranges)
