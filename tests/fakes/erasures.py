"""``ports.erasures`` in memory, over the ledgers, keys and accounts in memory."""

import copy
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from governlayer_server.domain.erasure import ErasureKind, Target, Tombstone
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.erasures import StoredErasure
from governlayer_server.ports.ledger import Append
from msgspec.structs import replace

from tests.fakes.account_store import MemoryAccountStore
from tests.fakes.data_keys import MemoryDataKeys
from tests.fakes.holds import Holds, MemoryLedgerHolds
from tests.fakes.ledger_store import MemoryLedgerStore

Kept = dict[UUID, tuple[StoredErasure, bytes | None]]


class MemoryHeldLedger:
    def __init__(self, erasures: "MemoryErasures", ledger_id: str) -> None:
        self._all = erasures
        self._ledger_id = ledger_id
        self._ledger = erasures.ledger._ledger(ledger_id)
        self.head = self._ledger.head
        self.origin, self.size = self.head.origin, self.head.size
        self.holds = MemoryLedgerHolds(erasures, ledger_id)

    async def subject(self, index: bytes) -> UUID | None:
        return await self._all.subject(self._ledger_id, index)

    async def seqs_of(self, subject_id: UUID, after: int) -> Sequence[int]:
        return [seq for seq in await self._all.seqs_of(self._ledger_id, subject_id) if seq > after]

    async def seq_of(self, record_id: UUID) -> int | None:
        return next((record.seq for append, record in self._ledger.rows if append.record_id == record_id), None)

    async def organization(self) -> Organization:
        found = {str(one.id): one for one in await self._all.accounts.organizations()}
        if self._ledger_id not in found:
            raise NotFound("there is no such organization")
        return found[self._ledger_id]

    async def erased(self, erasure_id: UUID) -> bool:
        return erasure_id in self._all.kept(self._ledger_id)

    async def earlier(self, target: Target) -> UUID | None:
        same = [
            one.tombstone.id
            for one, index in self._all.kept(self._ledger_id).values()
            if (one.tombstone.kind, index, one.tombstone.decision) == (target.kind, target.subject, target.decision)
        ]
        return max(same, default=None)

    async def destroy_subjects(self, subject_ids: Sequence[UUID]) -> None:
        mine = self._all.data_keys.of_subjects.get(self._ledger_id, {})
        for index in [index for index, key in mine.items() if key.id in subject_ids]:
            del mine[index]

    async def destroy_payloads(self, seqs: Sequence[int]) -> None:
        await self._all.remove_payloads(self._ledger_id, seqs)

    async def destroy_data_keys(self) -> None:
        self._all.data_keys.owned.pop(self._ledger_id, None)

    async def append(self, appends: Sequence[Append]) -> Sequence[Record]:
        self._ledger.lock.release()
        try:
            return [(await self._all.ledger.append(one)).record for one in appends]
        finally:
            await self._ledger.lock.acquire()

    async def note_at_deployment(self, append: Append) -> None:
        await self._all.ledger.append(append)

    async def keep(self, erasure: StoredErasure, subject_index: bytes | None) -> None:
        self._all.kept(self._ledger_id)[erasure.tombstone.id] = (erasure, subject_index)
        now_us, organizations = erasure.tombstone.time_us, await self._all.accounts.organizations()
        for found in organizations if erasure.tombstone.kind.is_whole_ledger else ():
            if str(found.id) != self._ledger_id:
                continue
            closed_us = now_us if found.closed_us is None else found.closed_us
            self._all.accounts.rows.organizations[found.id] = replace(
                found, name="erased", erased_us=now_us, closed_us=closed_us
            )


class MemoryErasures:
    """
    A transaction that fails puts everything back as it was. ``failure`` is raised in the place of a commit.

    Ledgers in ``refused`` are closed to writing.
    """

    def __init__(self, ledger: MemoryLedgerStore, data_keys: MemoryDataKeys, accounts: MemoryAccountStore) -> None:
        self.ledger = ledger
        self.data_keys = data_keys
        self.accounts = accounts
        self.failure: Exception | None = None
        self.refused: dict[str, Exception] = {}
        self._kept: dict[str, Kept] = {}
        self.holds: dict[str, Holds] = {}

    def kept(self, ledger_id: str) -> Kept:
        return self._kept.setdefault(ledger_id, {})

    @asynccontextmanager
    async def hold(self, ledger_id: str) -> AsyncIterator[MemoryHeldLedger]:
        if ledger_id in self.refused:
            raise self.refused[ledger_id]
        async with self.closed(ledger_id) as held:
            yield held

    @asynccontextmanager
    async def closed(self, ledger_id: str) -> AsyncIterator[MemoryHeldLedger]:
        ledger = self.ledger._ledger(ledger_id)
        async with ledger.lock:
            before = self._state(ledger)
            try:
                yield MemoryHeldLedger(self, ledger_id)
                self._commit()
            except BaseException:
                self._put_back(ledger, before)
                raise

    def _commit(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _state(self, ledger: Any) -> tuple[Any, ...]:
        keys, rows = self.data_keys, self.accounts.rows
        kept = {name: dict(one) for name, one in self._kept.items()}
        holds = {name: dict(one) for name, one in self.holds.items()}
        copied = copy.deepcopy((keys.owned, keys.of_subjects))
        return ledger.head, list(ledger.rows), dict(ledger.answers), *copied, dict(rows.organizations), kept, holds

    def _put_back(self, ledger: Any, state: tuple[Any, ...]) -> None:
        ledger.head, ledger.rows, ledger.answers = state[:3]
        self.data_keys.owned, self.data_keys.of_subjects = state[3:5]
        self.accounts.rows.organizations, self._kept, self.holds = state[5:]

    async def subject(self, ledger_id: str, index: bytes) -> UUID | None:
        found = await self.data_keys.subject_keys(ledger_id, [index], [])
        return found[0].id if found else None

    async def seqs_of(self, ledger_id: str, subject_id: UUID) -> Sequence[int]:
        return [record.seq for append, record in self.ledger.rows_of(ledger_id) if subject_id in append.subjects]

    async def find(self, ledger_id: str, erasure_id: UUID) -> StoredErasure:
        if erasure_id not in self.kept(ledger_id):
            raise NotFound("there is no such erasure")
        return self.kept(ledger_id)[erasure_id][0]

    async def page(self, ledger_id: str, after: UUID | None, limit: int) -> Sequence[StoredErasure]:
        found = sorted(self.kept(ledger_id).items())
        return [one for key, (one, _) in found if after is None or key > after][:limit]

    async def open_ledgers(self) -> Sequence[str]:
        return sorted([name for name in self._kept if await self.open_erasures(name)])

    async def open_erasures(self, ledger_id: str) -> Sequence[StoredErasure]:
        return [one for one in await self.page(ledger_id, None, 1_000_000) if one.vacuumed_us is None]

    async def remove_payloads(self, ledger_id: str, seqs: Sequence[int]) -> None:
        ledger, wanted, gone = self.ledger._ledger(ledger_id), set(seqs), set()
        for place, (append, record) in enumerate(ledger.rows):
            if record.seq in wanted:
                gone.add(append.record_id)
                ledger.rows[place] = (replace(append, payloads=(), subjects=()), record)
        ledger.answers = {key: kept for key, kept in ledger.answers.items() if kept[0].record_id not in gone}

    async def remove_rest(self, organization_id: UUID, limit: int) -> bool:
        self.data_keys.of_subjects.pop(str(organization_id), None)
        rows = self.accounts.rows
        rows.users = {key: one for key, one in rows.users.items() if one.organization_id != organization_id}
        rows.keys = {key: one for key, one in rows.keys.items() if one.organization_id != organization_id}
        return False

    async def note_finished(self, ledger_id: str, erasure_id: UUID, now_us: int) -> None:
        self._change(ledger_id, erasure_id, finished_us=now_us)

    async def note_vacuumed(self, ledger_id: str, erasure_ids: Sequence[UUID], now_us: int) -> None:
        for one in erasure_ids:
            self._change(ledger_id, one, vacuumed_us=now_us)

    def _change(self, ledger_id: str, erasure_id: UUID, **columns: int) -> None:
        stored, index = self.kept(ledger_id)[erasure_id]
        self.kept(ledger_id)[erasure_id] = (replace(stored, **columns), index)


class MemoryTombstones:
    """``failure`` makes it unwritable."""

    def __init__(self) -> None:
        self.found: list[Tombstone] = []
        self.failure: Exception | None = None

    async def ready(self) -> None:
        pass

    async def add(self, tombstone: Tombstone) -> None:
        if self.failure is not None:
            raise self.failure
        self.found.append(tombstone)

    async def read(self) -> AsyncIterator[Tombstone]:
        for one in self.found:
            yield one


class CountedVacuum:
    """Does nothing, and says that all was done but for the kinds that are ``too_large``."""

    def __init__(self) -> None:
        self.too_large: set[ErasureKind] = set()
        self.turns: list[tuple[set[ErasureKind], bool]] = []

    async def __call__(self, kinds: Collection[ErasureKind], *, at_any_size: bool = False) -> Collection[ErasureKind]:
        self.turns.append((set(kinds), at_any_size))
        return set(kinds) if at_any_size else set(kinds) - self.too_large
