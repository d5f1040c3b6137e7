"""The ledgers on PostgreSQL: read here, written by ``group_commit``."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from uuid import UUID

from asyncpg import Record as Row

from governlayer_server.adapters.postgres.append_tally import AppendTally
from governlayer_server.adapters.postgres.appending import answer_of, head_of
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.group_commit import GroupCommit
from governlayer_server.adapters.postgres.tiles import PostgresTiles
from governlayer_server.domain.errors import ConfigurationError, NotFound
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.record import Record
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import (
    Append,
    Entry,
    RecordFilter,
    SealedPayload,
    StoredAnswer,
    StoredRecord,
)
from governlayer_server.ports.refusals import NoGuard, WriteGuard

# A payload that an erasure has made unreadable is none any more, though its row waits for its removal.
STANDS = """NOT EXISTS (
    SELECT FROM tombstone t WHERE t.ledger_id = $1 AND t.finished_us IS NULL AND t.places @> p.seq)"""
_HEAD = "SELECT origin, size, head_hash, head_time_us, edge FROM ledger WHERE id = $1"
_ANSWER = """
SELECT body, sealed, record_id, size, proof FROM idempotent_answer
WHERE ledger_id = $1 AND key = $2 AND expires_us > $3
"""
# Writes, so that the commit waits as that of the answer has to: one that stands on the primary alone is told nobody.
_WAIT_FOR_STANDBY = "SELECT pg_logical_emit_message(true, 'governlayer', '')"
_RECORDS = """
SELECT seq, record_id, type, time_us, canonical, hash, prev_hash FROM ledger_record
WHERE ledger_id = $1 AND seq > $2
  AND ($4::text IS NULL OR type = $4) AND ($5::text IS NULL OR agent = $5)
  AND ($6::text IS NULL OR decision = $6)
  AND ($7::bigint IS NULL OR time_us >= $7) AND ($8::bigint IS NULL OR time_us < $8)
ORDER BY seq LIMIT $3
"""
_LAST = "SELECT coalesce(max(size), 0) - 1 FROM ledger WHERE id = $1"
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
_PAYLOADS = f"""
SELECT seq, name, sealed FROM ledger_payload p
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 AND name = ANY ($4::text[]) AND {STANDS} ORDER BY seq, name COLLATE "C"
"""  # noqa: S608  # nosec B608
_CHUNK = 500
# A payload is up to 1 MiB, and a record has up to four: memory stays flat whatever they hold.
_CHUNK_WITH_PAYLOADS = 16


class PostgresLedgerStore(PostgresTiles):
    """``ports.ledger.LedgerStore``."""

    def __init__(
        self, database: Database, clock: Clock, guard: WriteGuard | None = None, tally: AppendTally | None = None
    ) -> None:
        self._database = database
        self._group = GroupCommit(database, clock, guard)
        self._guard = guard or NoGuard()
        self._tally = tally or AppendTally(clock)

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
        self._guard.require_open(append.ledger_id)
        with self._tally.count(append):
            return await self._group.append(append)

    async def answer(self, ledger_id: str, key: bytes, now_us: int) -> StoredAnswer | None:
        """
        Return the kept answer of *key*, unless it has expired; its receipt would be signed again.

        It is durable, also where the commit that kept it was given up while it waited for a standby.
        """
        self._guard.require_open(ledger_id)
        async with self._database.transaction(ledger_id) as connection:
            row = await connection.fetchrow(_ANSWER, ledger_id, key, now_us)
            if row is not None:
                await connection.execute(_WAIT_FOR_STANDBY)
        return None if row is None else answer_of(row)

    async def head(self, ledger_id: str) -> Head:
        """
        Return where the ledger stands.

        Raises:
            NotFound: there is no such ledger.
        """
        async with self._database.transaction(ledger_id) as connection:
            row = await connection.fetchrow(_HEAD, ledger_id)
        if row is None:
            raise NotFound("there is no such ledger")
        return head_of(row)

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
        last = await self._last(ledger_id) if self._database.has_replica else -1
        rows = await self._database.read(
            ledger_id, last, _RECORDS, after_seq, limit,
            only.type, only.agent, only.decision, only.from_us, only.to_us,
        )  # fmt: skip
        return [_record(row) for row in rows]

    async def _last(self, ledger_id: str) -> int:
        """Return the seq of the newest record; -1 where there is none."""
        async with self._database.transaction(ledger_id) as connection:
            return int(await connection.fetchval(_LAST, ledger_id))

    async def stream(self, ledger_id: str, first: int, last: int, names: Sequence[str]) -> AsyncIterator[StoredRecord]:
        """
        Yield the records *first* to *last* with the payloads named, a few hundred at a time.

        With payloads all is read from the primary: a standby may still have some that were erased a moment ago.
        """
        chunk = _CHUNK_WITH_PAYLOADS if names else _CHUNK
        for start in range(first, last + 1, chunk):
            end = min(start + chunk - 1, last)
            rows, payloads = await self._chunk(ledger_id, start, end, names)
            grouped = _grouped(payloads)
            for row in rows:
                yield _stored(row, grouped)

    async def _chunk(
        self, ledger_id: str, start: int, end: int, names: Sequence[str]
    ) -> tuple[Sequence[Row], Sequence[Row]]:
        if not names:
            return await self._database.read(ledger_id, end, _STREAM, start, end), ()
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_STREAM, ledger_id, start, end)
            return rows, await connection.fetch(_PAYLOADS, ledger_id, start, end, list(names))


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
