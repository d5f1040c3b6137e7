"""``ports.holds`` on PostgreSQL: legal holds, and what has expired and is not covered by one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asyncpg import Range as PostgresRange
from asyncpg import Record as Row

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import STANDS
from governlayer_server.domain.erasure import Range
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.erasure import ALL_NAMES
from governlayer_server.domain.ledger.record import Actor, ActorKind
from governlayer_server.domain.legal_hold import HoldScope
from governlayer_server.ports.holds import StoredHold

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

_READ = "SELECT * FROM legal_hold WHERE ledger_id = $1"
_ADD = """
INSERT INTO legal_hold (
    id, ledger_id, kind, subject_id, first_seq, last_seq, sealed, actor_kind, actor_id, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_RELEASE = """
UPDATE legal_hold SET released_us = $3, released_kind = $4, released_id = $5, release_sealed = $6
WHERE ledger_id = $1 AND id = $2
"""
_AGAINST = """
SELECT id FROM legal_hold h WHERE ledger_id = $1 AND released_us IS NULL AND (
    $4 OR kind = 'organization' OR subject_id = ANY ($3::uuid[])
    OR kind = 'range' AND $2::int8multirange && int8range(first_seq, last_seq, '[]')
    OR kind = 'subject' AND EXISTS (
        SELECT FROM ledger_subject s
        WHERE s.ledger_id = $1 AND s.subject_id = h.subject_id AND $2::int8multirange @> s.seq))
ORDER BY id LIMIT 1
"""
_FREE = """NOT EXISTS (
    SELECT FROM legal_hold h WHERE h.ledger_id = $1 AND h.released_us IS NULL AND (
        h.kind = 'organization'
        OR h.kind = 'range' AND int8range(h.first_seq, h.last_seq, '[]') @> p.seq
        OR h.kind = 'subject' AND EXISTS (
            SELECT FROM ledger_subject s
            WHERE s.ledger_id = $1 AND s.subject_id = h.subject_id AND s.seq = p.seq)))"""
_EXPIRED = f"""
SELECT DISTINCT seq FROM ledger_payload p
WHERE ledger_id = $1 AND seq > $2 AND seq <= $3 AND ($4::text[] IS NULL OR name = ANY ($4)) AND {STANDS} AND {_FREE}
ORDER BY seq LIMIT $5
"""  # noqa: S608  # nosec B608  # of constants
_DESTROY = f"""
DELETE FROM ledger_payload p
WHERE ledger_id = $1 AND seq = ANY ($2::bigint[]) AND ($3::text[] IS NULL OR name = ANY ($3)) AND {STANDS} AND {_FREE}
RETURNING seq
"""  # noqa: S608  # nosec B608  # of constants
_NAMED = """
DELETE FROM ledger_subject s WHERE ledger_id = $1 AND seq = ANY ($2::bigint[]) AND NOT EXISTS (
    SELECT FROM ledger_payload p WHERE p.ledger_id = $1 AND p.seq = s.seq)
RETURNING subject_id
"""
_KEYS = """
DELETE FROM subject_key k WHERE ledger_id = $1 AND id = ANY ($2::uuid[])
    AND NOT EXISTS (SELECT FROM ledger_subject s WHERE s.ledger_id = $1 AND s.subject_id = k.id)
"""
_SIZE = "SELECT size FROM ledger WHERE id = $1"
_TIME = "SELECT time_us FROM ledger_record WHERE ledger_id = $1 AND seq = $2"


class PostgresLedgerHolds:
    """``ports.holds.LedgerHolds``, in the transaction that *connection* is in."""

    def __init__(self, connection: "PoolConnectionProxy", ledger_id: str) -> None:
        self._connection = connection
        self._ledger_id = ledger_id

    async def add(self, hold: StoredHold) -> None:
        """Store a new hold."""
        scope = hold.scope
        await self._connection.execute(
            _ADD, hold.id, self._ledger_id, scope.kind.value, scope.subject_id, scope.first_seq, scope.last_seq,
            hold.sealed, hold.actor.kind.value, hold.actor.id, hold.created_us,
        )  # fmt: skip

    async def one(self, hold_id: UUID) -> StoredHold:
        """
        Return a hold.

        Raises:
            NotFound: there is none with this id.
        """
        return _found(await self._connection.fetchrow(f"{_READ} AND id = $2", self._ledger_id, hold_id))

    async def release(self, hold: StoredHold) -> None:
        """Store that it was released."""
        actor = hold.released_by
        await self._connection.execute(
            _RELEASE, self._ledger_id, hold.id, hold.released_us, actor and actor.kind.value, actor and actor.id,
            hold.release_sealed,
        )  # fmt: skip

    async def has_subject(self, subject_id: UUID) -> bool:
        """Return whether the data subject's key is there."""
        query = "SELECT EXISTS (SELECT FROM subject_key WHERE ledger_id = $1 AND id = $2)"
        return bool(await self._connection.fetchval(query, self._ledger_id, subject_id))

    async def against(self, ranges: Sequence[Range], subjects: Sequence[UUID], *, everything: bool) -> UUID | None:
        """Return the oldest hold that covers something of it."""
        places = [PostgresRange(first, last, upper_inc=True) for first, last in ranges]
        return _id(await self._connection.fetchval(_AGAINST, self._ledger_id, places, list(subjects), everything))

    async def destroy_expired(self, seqs: Sequence[int], names: Sequence[str]) -> Sequence[int]:
        """Destroy payloads that no hold covers, and keys that nothing needs then; every process forgets those."""
        rows = await self._connection.fetch(_DESTROY, self._ledger_id, list(seqs), _names(names))
        destroyed = sorted({row[0] for row in rows})
        named = {row[0] for row in await self._connection.fetch(_NAMED, self._ledger_id, destroyed)}
        if named and await self._connection.execute(_KEYS, self._ledger_id, list(named)) != "DELETE 0":
            await self._connection.execute("UPDATE key_change SET changes = changes + 1")
        return destroyed


class PostgresHolds:
    """``ports.holds.HoldStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, ledger_id: str, hold_id: UUID) -> StoredHold:
        """
        Return a hold.

        Raises:
            NotFound: there is none with this id.
        """
        async with self._database.transaction(ledger_id) as connection:
            return await PostgresLedgerHolds(connection, ledger_id).one(hold_id)

    async def page(self, ledger_id: str, after: UUID | None, limit: int) -> Sequence[StoredHold]:
        """Return some holds, oldest first."""
        query = f"{_READ} AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3"
        async with self._database.transaction(ledger_id) as connection:
            return [_found(row) for row in await connection.fetch(query, ledger_id, after, limit)]

    async def last_before(self, ledger_id: str, time_us: int) -> int:
        """Return the last record before a time: times never decrease, so a few looks find it."""
        async with self._database.transaction(ledger_id) as connection:
            low, high = 0, await connection.fetchval(_SIZE, ledger_id) or 0
            while low < high:
                middle = (low + high) // 2
                if await connection.fetchval(_TIME, ledger_id, middle) < time_us:
                    low = middle + 1
                else:
                    high = middle
        return low - 1

    async def expired(self, ledger_id: str, names: Sequence[str], after: int, last: int, limit: int) -> Sequence[int]:
        """Return records with payloads that no hold covers."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_EXPIRED, ledger_id, after, last, _names(names), limit)
        return [row[0] for row in rows]


def _names(names: Sequence[str]) -> list[str] | None:
    return None if ALL_NAMES in names else list(names)


def _found(row: Row | None) -> StoredHold:
    if row is None:
        raise NotFound("there is no such legal hold")
    kind = row["released_kind"]
    return StoredHold(
        id=UUID(int=row["id"].int),
        ledger_id=row["ledger_id"],
        scope=HoldScope(subject_id=_id(row["subject_id"]), first_seq=row["first_seq"], last_seq=row["last_seq"]),
        sealed=row["sealed"],
        actor=Actor(id=row["actor_id"], kind=ActorKind(row["actor_kind"])),
        created_us=row["created_us"],
        released_us=row["released_us"],
        released_by=None if kind is None else Actor(id=row["released_id"], kind=ActorKind(kind)),
        release_sealed=row["release_sealed"],
    )


def _id(value: Any) -> UUID | None:
    return None if value is None else UUID(int=value.int)
