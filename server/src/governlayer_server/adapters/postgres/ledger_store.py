"""
The ledgers on PostgreSQL.

An append is one transaction: the head row is locked (``FOR UPDATE``, so writers of one ledger take turns, in any
number of processes), the record is computed from it, and record, payloads, kept answer and new head are written by
one statement. ``(ledger_id, seq)`` is unique besides, so that not even a fault here could fork a ledger.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from asyncpg import Record as Row

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.tiles import PostgresTiles
from governlayer_server.domain.errors import ConfigurationError, NotFound
from governlayer_server.domain.ledger.chain import Head, empty_head, extend
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.ledger.tree import edge_bytes, edge_from_bytes
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import (
    AnswerExists,
    Append,
    Entry,
    RecordFilter,
    SealedPayload,
    StoredAnswer,
    StoredRecord,
)

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_HEAD = "SELECT origin, size, head_hash, head_time_us, edge FROM ledger WHERE id = $1"
_ANSWER = """
SELECT body, sealed, record_id, size_before, edge_before FROM idempotent_answer
WHERE ledger_id = $1 AND key = $2 AND expires_us > $3
"""
_APPEND = """
WITH record AS (
    INSERT INTO ledger_record
        (ledger_id, seq, record_id, type, agent, decision, time_us, canonical, hash, prev_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
), payload AS (
    INSERT INTO ledger_payload (ledger_id, seq, name, sealed)
    SELECT $1, $2, name, sealed FROM unnest($12::text[], $13::bytea[]) AS given (name, sealed)
), answer AS (
    INSERT INTO idempotent_answer
        (ledger_id, key, body, sealed, record_id, expires_us, size_before, edge_before)
    SELECT $1, $14::bytea, $15::bytea, $16::bytea, $3, $17::bigint, $2, $18::bytea WHERE $14::bytea IS NOT NULL
    ON CONFLICT (ledger_id, key) DO UPDATE
        SET body = excluded.body, sealed = excluded.sealed, record_id = excluded.record_id,
            expires_us = excluded.expires_us, size_before = excluded.size_before, edge_before = excluded.edge_before
)
UPDATE ledger SET size = $2 + 1, head_hash = $9, head_time_us = $7, edge = $11 WHERE id = $1
"""
_RECORDS = """
SELECT seq, record_id, type, time_us, canonical, hash, prev_hash FROM ledger_record
WHERE ledger_id = $1 AND seq > $2
  AND ($4::text IS NULL OR type = $4) AND ($5::text IS NULL OR agent = $5)
  AND ($6::text IS NULL OR decision = $6)
  AND ($7::bigint IS NULL OR time_us >= $7) AND ($8::bigint IS NULL OR time_us < $8)
ORDER BY seq LIMIT $3
"""
_STREAM = """
SELECT seq, record_id, type, time_us, canonical, hash, prev_hash FROM ledger_record
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq
"""
_BY_SEQ = """
SELECT seq, record_id, type, time_us, canonical, hash, prev_hash FROM ledger_record
WHERE ledger_id = $1 AND seq = $2
"""
_BY_ID = """
SELECT seq, record_id, type, time_us, canonical, hash, prev_hash FROM ledger_record
WHERE ledger_id = $1 AND record_id = $2
"""
_PAYLOADS = """
SELECT seq, name, sealed FROM ledger_payload
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 AND name = ANY ($4::text[]) ORDER BY seq, name COLLATE "C"
"""
_CHUNK = 500
# A payload is up to 1 MiB, and a record has up to four: memory stays flat whatever they hold.
_CHUNK_WITH_PAYLOADS = 16
_MAX_FORGOTTEN = 100


class PostgresLedgerStore(PostgresTiles):
    """``ports.ledger.LedgerStore``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, ledger_id: str, organization_id: UUID | None, origin: str) -> None:
        """
        Make an empty ledger, or do nothing if it exists.

        Raises:
            ConfigurationError: it exists with another origin.
        """
        async with self._database.transaction(ledger_id) as connection:
            await connection.execute(
                "INSERT INTO ledger (id, organization_id, origin, head_hash) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (id) DO NOTHING",
                ledger_id, organization_id, origin, empty_head(origin).hash,
            )  # fmt: skip
            stored = await connection.fetchval("SELECT origin FROM ledger WHERE id = $1", ledger_id)
        if stored != origin:
            raise ConfigurationError(f"the ledger {ledger_id} exists with the origin {stored}, which never changes")

    async def append(self, append: Append) -> Entry:
        """Return the record once it is committed (see ``ports.ledger.LedgerStore.append``)."""
        async with self._database.transaction(append.ledger_id) as connection:
            return await append_within(connection, append, self._clock.now_us)

    async def answer(self, ledger_id: str, key: bytes, now_us: int) -> StoredAnswer | None:
        """Return the kept answer of *key*, unless it has expired."""
        async with self._database.transaction(ledger_id) as connection:
            row = await connection.fetchrow(_ANSWER, ledger_id, key, now_us)
        return None if row is None else _answer(row)

    async def head(self, ledger_id: str) -> Head:
        """
        Return where the ledger stands.

        Raises:
            NotFound: there is no such ledger.
        """
        async with self._database.transaction(ledger_id) as connection:
            return _head(await connection.fetchrow(_HEAD, ledger_id))

    async def place_of(self, ledger_id: str, record_id: UUID) -> Record:
        """
        Return the record with this id.

        Raises:
            NotFound: this ledger has none.
        """
        return await self._one(_BY_ID, ledger_id, record_id)

    async def record(self, ledger_id: str, seq: int) -> Record:
        """
        Return record *seq*.

        Raises:
            NotFound: this ledger has none.
        """
        return await self._one(_BY_SEQ, ledger_id, seq)

    async def _one(self, query: str, ledger_id: str, which: object) -> Record:
        async with self._database.transaction(ledger_id) as connection:
            row = await connection.fetchrow(query, ledger_id, which)
        if row is None:
            raise NotFound("there is no such record")
        return _record(row)

    async def records(self, ledger_id: str, after_seq: int, limit: int, only: RecordFilter) -> Sequence[Record]:
        """Return up to *limit* records with seq greater than *after_seq* that fit *only*, in order."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(
                _RECORDS, ledger_id, after_seq, limit,
                only.type, only.agent, only.decision, only.from_us, only.to_us,
            )  # fmt: skip
        return [_record(row) for row in rows]

    async def stream(self, ledger_id: str, first: int, last: int, names: Sequence[str]) -> AsyncIterator[StoredRecord]:
        """Yield the records *first* to *last* with the payloads named, a few hundred at a time."""
        chunk = _CHUNK_WITH_PAYLOADS if names else _CHUNK
        for start in range(first, last + 1, chunk):
            end = min(start + chunk - 1, last)
            async with self._database.transaction(ledger_id) as connection:
                rows = await connection.fetch(_STREAM, ledger_id, start, end)
                payloads = await connection.fetch(_PAYLOADS, ledger_id, start, end, list(names)) if names else []
            grouped = _grouped(payloads)
            for row in rows:
                yield _stored(row, grouped)


async def append_within(connection: "PoolConnectionProxy", append: Append, now_us: Callable[[], int]) -> Entry:
    """
    Return the record, appended in the transaction that *connection* is in and that has set the ledger as its tenant.

    Durable when that transaction commits. The clock is read once the ledger's head is held.
    """
    head = _head(await connection.fetchrow(_HEAD + " FOR UPDATE", append.ledger_id))
    time_us = now_us()
    if append.remember is not None:
        await _refuse_second_answer(connection, append.ledger_id, append.remember.key, time_us)
    record, after = extend(head, append.draft, time_us)
    await connection.execute(_APPEND, *_append_arguments(append, record, head, after))
    return Entry(record=record, before=head.edge, head=after)


async def _refuse_second_answer(connection: "PoolConnectionProxy", ledger_id: str, key: bytes, now_us: int) -> None:
    existing = await connection.fetchrow(_ANSWER, ledger_id, key, now_us)
    if existing is not None:
        raise AnswerExists(_answer(existing))
    await connection.execute(
        "DELETE FROM idempotent_answer WHERE (ledger_id, key) IN "
        "(SELECT ledger_id, key FROM idempotent_answer WHERE expires_us <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        now_us, _MAX_FORGOTTEN,
    )  # fmt: skip


def _append_arguments(append: Append, record: Record, before: Head, after: Head) -> tuple[object, ...]:
    remember = append.remember
    return (
        append.ledger_id, record.seq, append.record_id, record.type, append.agent, append.decision,
        record.time_us, record.canonical, record.hash, record.prev_hash, edge_bytes(after.edge),
        [payload.name for payload in append.payloads],
        [payload.sealed for payload in append.payloads],
        None if remember is None else remember.key,
        None if remember is None else remember.body,
        None if remember is None else remember.sealed,
        None if remember is None else remember.expires_us,
        edge_bytes(before.edge),
    )  # fmt: skip


def _head(row: Row | None) -> Head:
    if row is None:
        raise NotFound("there is no such ledger")
    return Head(
        origin=row["origin"],
        hash=row["head_hash"],
        time_us=row["head_time_us"],
        edge=edge_from_bytes(row["size"], row["edge"]),
    )


def _record(row: Row) -> Record:
    return Record(
        seq=row["seq"],
        type=row["type"],
        time_us=row["time_us"],
        canonical=row["canonical"],
        # Of the bytes, not of the column beside them: what is told is what was hashed.
        hash=sha256(row["canonical"]).digest(),
        prev_hash=row["prev_hash"],
    )


def _stored(row: Row, payloads: dict[int, list[SealedPayload]]) -> StoredRecord:
    return StoredRecord(record_id=row["record_id"], record=_record(row), payloads=tuple(payloads.get(row["seq"], ())))


def _grouped(rows: Sequence[Row]) -> dict[int, list[SealedPayload]]:
    grouped: dict[int, list[SealedPayload]] = {}
    for row in rows:
        grouped.setdefault(row["seq"], []).append(SealedPayload(name=row["name"], sealed=row["sealed"]))
    return grouped


def _answer(row: Row) -> StoredAnswer:
    return StoredAnswer(
        body=row["body"],
        sealed=row["sealed"],
        record_id=row["record_id"],
        before=edge_from_bytes(row["size_before"], row["edge_before"]),
    )
