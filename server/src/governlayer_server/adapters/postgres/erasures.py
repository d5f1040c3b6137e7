"""``ports.erasures.ErasureStore`` on PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from asyncpg import Range
from asyncpg import Record as Row

from governlayer_server.adapters.postgres.appending import LOCK, Growing, Placed, append_within, lock_heads, write
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.legal_holds import PostgresLedgerHolds
from governlayer_server.adapters.postgres.rows import organization_of
from governlayer_server.adapters.postgres.tenancy import SET_TENANT
from governlayer_server.domain.erasure import Target, Tombstone
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.growth import Growth, Prepared
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.organization import Organization
from governlayer_server.ports import Clock
from governlayer_server.ports.erasures import StoredErasure
from governlayer_server.ports.holds import LedgerHolds
from governlayer_server.ports.ledger import AnswerExists, Append
from governlayer_server.ports.refusals import NoGuard, WriteGuard

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_SUBJECT = "SELECT id FROM subject_key WHERE ledger_id = $1 AND subject_index = $2"
_SEQS = "SELECT seq FROM ledger_subject WHERE ledger_id = $1 AND subject_id = $2 AND seq > $3 ORDER BY seq"
_SEQ_OF = "SELECT seq FROM ledger_record WHERE ledger_id = $1 AND record_id = $2"
_ORGANIZATION = "SELECT o.* FROM organization o JOIN ledger l ON l.organization_id = o.id WHERE l.id = $1"
_PAYLOADS = "DELETE FROM ledger_payload WHERE ledger_id = $1 AND seq = ANY ($2::bigint[])"
_ANSWERS = """
DELETE FROM idempotent_answer WHERE ledger_id = $1 AND record_id IN (
    SELECT record_id FROM ledger_record WHERE ledger_id = $1 AND seq = ANY ($2::bigint[]))
"""
_NAMED = "DELETE FROM ledger_subject WHERE ledger_id = $1 AND seq = ANY ($2::bigint[])"
_EARLIER = """
SELECT id FROM tombstone WHERE ledger_id = $1 AND kind = $2
    AND subject_index IS NOT DISTINCT FROM $3 AND decision_id IS NOT DISTINCT FROM $4
ORDER BY id DESC LIMIT 1
"""
_KEEP = """
INSERT INTO tombstone (
    id, ledger_id, kind, subject_index, decision_id, facts, certificate, places, finished_us, vacuumed_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_READ = "SELECT facts, certificate, finished_us, vacuumed_us FROM tombstone WHERE ledger_id = $1"
# What an erased organization leaves, but for its API keys; what hangs on its users goes with them.
_RESTS = tuple(
    f"DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {owner} = $1 LIMIT $2))"  # noqa: S608  # nosec B608
    for table, owner in (
        ("idempotent_answer", "ledger_id"),
        ("ledger_subject", "ledger_id"),
        ("subject_key", "ledger_id"),
        ("one_time_token", "tenant"),
        ("usage_count", "organization_id::text"),
        ("app_user", "organization_id::text"),
    )
)


class PostgresClosedLedger:
    """``ports.erasures.ClosedLedger``."""

    def __init__(self, connection: "PoolConnectionProxy", ledger_id: str, origin: str, size: int) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        self.origin = origin
        self.size = size

    async def subject(self, index: bytes) -> UUID | None:
        """Return the id of the subject's key."""
        return _id(await self._connection.fetchval(_SUBJECT, self._ledger_id, index))

    async def seqs_of(self, subject_id: UUID, after: int) -> Sequence[int]:
        """Return where the subject is named after *after*."""
        return [row[0] for row in await self._connection.fetch(_SEQS, self._ledger_id, subject_id, after)]

    async def seq_of(self, record_id: UUID) -> int | None:
        """Return where the record stands."""
        seq = await self._connection.fetchval(_SEQ_OF, self._ledger_id, record_id)
        return None if seq is None else int(seq)

    async def destroy_subjects(self, subject_ids: Sequence[UUID]) -> None:
        """Destroy keys of data subjects."""
        query = "DELETE FROM subject_key WHERE ledger_id = $1 AND id = ANY ($2::uuid[])"
        await self._connection.execute(query, self._ledger_id, list(subject_ids))

    async def destroy_data_keys(self) -> None:
        """Destroy the organization's data keys."""
        await self._connection.execute("DELETE FROM data_key WHERE owner = $1", self._ledger_id)


class PostgresHeldLedger(PostgresClosedLedger):
    """``ports.erasures.HeldLedger``."""

    def __init__(self, connection: "PoolConnectionProxy", ledger_id: str, head: Head, clock: Clock) -> None:
        super().__init__(connection, ledger_id, head.origin, head.size)
        self._clock = clock
        self.head = head
        self.holds: LedgerHolds = PostgresLedgerHolds(connection, ledger_id)

    async def organization(self) -> Organization:
        """
        Return whose ledger it is.

        Raises:
            NotFound: it is nobody's.
        """
        row = await self._connection.fetchrow(_ORGANIZATION, self._ledger_id)
        if row is None:
            raise NotFound("there is no such organization")
        return organization_of(dict(row))

    async def erased(self, erasure_id: UUID) -> bool:
        """Return whether this erasure has been done here."""
        query = "SELECT EXISTS (SELECT FROM tombstone WHERE ledger_id = $1 AND id = $2)"
        return bool(await self._connection.fetchval(query, self._ledger_id, erasure_id))

    async def earlier(self, target: Target) -> UUID | None:
        """Return the newest erasure of the same thing."""
        arguments = (self._ledger_id, target.kind.value, target.subject, target.decision)
        return _id(await self._connection.fetchval(_EARLIER, *arguments))

    async def destroy_payloads(self, seqs: Sequence[int]) -> None:
        """Destroy payloads, kept answers, and who is named."""
        await _remove(self._connection, self._ledger_id, seqs)

    async def append(self, appends: Sequence[Append]) -> Sequence[Record]:
        """
        Append records to the ledger that is held.

        Raises:
            AnswerExists: an idempotency key was used meanwhile.
        """
        time_us = self._clock.now_us()
        growth = Growth(self.head, time_us)
        placed = [Placed(one, growth.append(Prepared(one.draft))) for one in appends]
        for answer in (await write(self._connection, [Growing(self._ledger_id, growth, placed)], time_us)).values():
            raise AnswerExists(answer)
        return [one.record for one in placed]

    async def note_at_deployment(self, append: Append) -> None:
        """Append a record to the deployment's own ledger."""
        await append_within(self._connection, append, self._clock.now_us)
        await self._connection.execute(SET_TENANT, self._ledger_id)

    async def keep(self, erasure: StoredErasure, subject_index: bytes | None) -> None:
        """Store *erasure*; every process forgets its keys within a second of the commit."""
        tombstone = erasure.tombstone
        places = [Range(first, last, upper_inc=True) for first, last in tombstone.ranges]
        await self._connection.execute(
            _KEEP, tombstone.id, self._ledger_id, tombstone.kind.value, subject_index, tombstone.decision,
            msgspec.json.encode(tombstone), erasure.certificate, places, erasure.finished_us, erasure.vacuumed_us,
        )  # fmt: skip
        if tombstone.kind.is_whole_ledger:
            await self._connection.execute("SELECT note_erased($1, $2)", self._ledger_id, tombstone.time_us)
        await self._connection.execute("UPDATE key_change SET changes = changes + 1")


class PostgresErasures:
    """``ports.erasures.ErasureStore``."""

    def __init__(self, database: Database, clock: Clock, guard: WriteGuard | None = None) -> None:
        self._database = database
        self._clock = clock
        self._guard = guard or NoGuard()

    @asynccontextmanager
    async def hold(self, ledger_id: str) -> AsyncIterator[PostgresHeldLedger]:
        """
        Open a transaction that holds the ledger.

        Raises:
            NotFound: there is none.
            LedgerRefused: it is closed to writing.
        """
        self._guard.require_open(ledger_id)
        async with self._database.transaction(ledger_id) as connection:
            head = (await lock_heads(connection, [ledger_id]))[ledger_id]
            if isinstance(head, Exception):
                raise head
            yield PostgresHeldLedger(connection, ledger_id, head, self._clock)

    @asynccontextmanager
    async def closed(self, ledger_id: str) -> AsyncIterator[PostgresClosedLedger]:
        """
        Open a transaction that holds the ledger, whatever state it is in.

        Raises:
            NotFound: there is none.
        """
        async with self._database.transaction(ledger_id) as connection:
            for row in await connection.fetch(LOCK, [ledger_id]):
                yield PostgresClosedLedger(connection, ledger_id, row["origin"], row["size"])
                await connection.execute("UPDATE key_change SET changes = changes + 1")
                return
        raise NotFound("there is no such ledger")

    async def subject(self, ledger_id: str, index: bytes) -> UUID | None:
        """Return the id of the subject's key."""
        async with self._database.transaction(ledger_id) as connection:
            return _id(await connection.fetchval(_SUBJECT, ledger_id, index))

    async def seqs_of(self, ledger_id: str, subject_id: UUID) -> Sequence[int]:
        """Return where the subject is named."""
        return [row[0] for row in await self._fetch(ledger_id, _SEQS, ledger_id, subject_id, -1)]

    async def find(self, ledger_id: str, erasure_id: UUID) -> StoredErasure:
        """
        Return an erasure.

        Raises:
            NotFound: there is none with this id.
        """
        for row in await self._fetch(ledger_id, f"{_READ} AND id = $2", ledger_id, erasure_id):
            return _stored(row)
        raise NotFound("there is no such erasure")

    async def page(self, ledger_id: str, after: UUID | None, limit: int) -> Sequence[StoredErasure]:
        """Return some erasures, oldest first."""
        query = f"{_READ} AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
        return list(map(_stored, await self._fetch(ledger_id, query, ledger_id, after, limit)))

    async def open_ledgers(self) -> Sequence[str]:
        """Return which ledgers have something to finish."""
        async with self._database.connection() as connection:
            return [
                row[0] for row in await connection.fetch("SELECT * FROM ledgers_with_open_erasures() AS id ORDER BY id")
            ]

    async def open_erasures(self, ledger_id: str) -> Sequence[StoredErasure]:
        """Return what of one ledger is to be finished."""
        query = f"{_READ} AND vacuumed_us IS NULL ORDER BY id"
        return list(map(_stored, await self._fetch(ledger_id, query, ledger_id)))

    async def remove_payloads(self, ledger_id: str, seqs: Sequence[int]) -> None:
        """Remove what is left of these records."""
        async with self._database.transaction(ledger_id) as connection:
            await _remove(connection, ledger_id, seqs)

    async def remove_rest(self, organization_id: UUID, limit: int) -> bool:
        """Remove some of what an erased organization left."""
        name = str(organization_id)
        async with self._database.transaction(name) as connection:
            tags = [await connection.execute(query, name, limit) for query in _RESTS]
            keys = await connection.fetchval("SELECT remove_keys_of_erased($1, $2)", organization_id, limit)
        return bool(keys) or any(not tag.endswith(" 0") for tag in tags)

    async def note_finished(self, ledger_id: str, erasure_id: UUID, now_us: int) -> None:
        """Note that nothing is left to remove."""
        query = "UPDATE tombstone SET finished_us = $3 WHERE ledger_id = $1 AND id = $2 AND finished_us IS NULL"
        async with self._database.transaction(ledger_id) as connection:
            await connection.execute(query, ledger_id, erasure_id, now_us)

    async def note_vacuumed(self, ledger_id: str, erasure_ids: Sequence[UUID], now_us: int) -> None:
        """Note that the tables were rewritten."""
        query = "UPDATE tombstone SET vacuumed_us = $3 WHERE ledger_id = $1 AND id = ANY ($2::uuid[])"
        async with self._database.transaction(ledger_id) as connection:
            await connection.execute(query, ledger_id, list(erasure_ids), now_us)

    async def _fetch(self, ledger_id: str, query: str, *arguments: object) -> Sequence[Row]:
        async with self._database.transaction(ledger_id) as connection:
            return list(await connection.fetch(query, *arguments))


async def _remove(connection: "PoolConnectionProxy", ledger_id: str, seqs: Sequence[int]) -> None:
    for query in (_PAYLOADS, _ANSWERS, _NAMED):
        await connection.execute(query, ledger_id, list(seqs))


def _id(value: Any) -> UUID | None:
    return None if value is None else UUID(int=value.int)


def _stored(row: Row) -> StoredErasure:
    return StoredErasure(
        tombstone=msgspec.json.decode(row["facts"], type=Tombstone),
        certificate=row["certificate"],
        finished_us=row["finished_us"],
        vacuumed_us=row["vacuumed_us"],
    )
