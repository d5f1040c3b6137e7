"""``ports.record_counts.RecordCounts`` on PostgreSQL."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.domain.record_counts import TypeCount

_BY_TYPE = """
SELECT type, count(*) AS count, min(time_us) AS oldest_us, max(time_us) AS newest_us FROM ledger_record
WHERE ledger_id = $1 AND seq BETWEEN $2 AND $3 GROUP BY type ORDER BY type COLLATE "C"
"""


class PostgresRecordCounts:
    """Reads the range once; the caller bounds it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_type(self, ledger_id: str, first: int, last: int) -> Sequence[TypeCount]:
        """Return the counts of the records *first* to *last*, by type."""
        async with self._database.transaction(ledger_id) as connection:
            return [TypeCount(**dict(row)) for row in await connection.fetch(_BY_TYPE, ledger_id, first, last)]
