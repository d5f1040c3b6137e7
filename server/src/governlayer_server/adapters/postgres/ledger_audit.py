"""``ports.ledger_audit.LedgerAudit`` on PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record as Row

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import STANDS
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.audit import StoredLedger, StoredRow
from governlayer_server.ports.ledger_audit import StoredPayload

# One statement sees one moment: no append stands between the head and the newest record.
_LEDGER = """
SELECT origin, size, head_hash AS hash, head_time_us AS time_us, edge,
    (SELECT max(seq) FROM ledger_record WHERE ledger_id = ledger.id) AS newest_seq
FROM ledger WHERE id = $1
"""
_ROWS = """
SELECT seq, record_id, type, agent, decision, time_us, canonical, hash, prev_hash FROM ledger_record
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 AND ($4::text[] IS NULL OR type = ANY ($4)) ORDER BY seq
"""
_PAYLOADS = f"""
SELECT seq, name, sealed FROM ledger_payload p
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 AND {STANDS} ORDER BY seq, name COLLATE "C"
"""  # noqa: S608  # nosec B608
# One moment again, and both ends by the index.
_OUTSIDE = """
(SELECT seq, name FROM ledger_payload WHERE ledger_id = $1 AND seq < 0 LIMIT $2)
UNION ALL
(SELECT seq, name FROM ledger_payload
 WHERE ledger_id = $1 AND seq >= (SELECT size FROM ledger WHERE id = $1) ORDER BY seq LIMIT $2)
"""


class PostgresLedgerAudit:
    """``ports.ledger_audit.LedgerAudit``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ledger(self, ledger_id: str) -> StoredLedger:
        """
        Return the stored head.

        Raises:
            NotFound: there is no such ledger.
        """
        async with self._database.transaction(ledger_id) as connection:
            row = await connection.fetchrow(_LEDGER, ledger_id)
        if row is None:
            raise NotFound("there is no such ledger")
        return StoredLedger(**dict(row))

    async def rows(self, ledger_id: str, first: int, last: int) -> Sequence[StoredRow]:
        """Return the stored records *first* to *last*."""
        return list(map(_row, await self._fetch(ledger_id, _ROWS, first, last, None)))

    async def rows_of_types(self, ledger_id: str, types: Sequence[str], first: int, last: int) -> Sequence[StoredRow]:
        """Return the stored records *first* to *last* of *types*."""
        return list(map(_row, await self._fetch(ledger_id, _ROWS, first, last, list(types))))

    async def payloads(self, ledger_id: str, first: int, last: int) -> Sequence[StoredPayload]:
        """Return the payloads stored for seq *first* to *last*."""
        return [StoredPayload(**dict(row)) for row in await self._fetch(ledger_id, _PAYLOADS, first, last)]

    async def payloads_outside(self, ledger_id: str, limit: int) -> Sequence[tuple[int, str]]:
        """Return the places of payloads beyond the ledger."""
        return [(row["seq"], row["name"]) for row in await self._fetch(ledger_id, _OUTSIDE, limit)]

    async def _fetch(self, ledger_id: str, query: str, *arguments: object) -> Sequence[Row]:
        async with self._database.transaction(ledger_id) as connection:
            return list(await connection.fetch(query, ledger_id, *arguments))


def _row(row: Row) -> StoredRow:
    return StoredRow(**{**dict(row), "record_id": UUID(int=row["record_id"].int)})
