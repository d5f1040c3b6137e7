"""What the database says of itself now and then: its clock, whether it takes writes, how large and how busy it is."""

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock

_FACTS = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us,
    NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS takes_writes,
    pg_database_size(current_database()) AS bytes,
    (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections,
    current_setting('max_connections')::int AS max_connections
"""
_UNKNOWN = float("nan")


class DatabaseFacts:
    """
    Asked in the background, and read at any time.

    Args:
        database: that is asked.
        clock: of this machine, with which the database's is compared.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.takes_writes = _UNKNOWN
        """1 where it takes writes, 0 where it does not or does not answer."""
        self.clock_offset_s = _UNKNOWN
        """This machine's clock minus the database's, seconds; what the answer took is taken off."""
        self.bytes = _UNKNOWN
        """Of the database with all its tables and indexes."""
        self.connections = _UNKNOWN
        """Open connections to the server, of everybody."""
        self.max_connections = _UNKNOWN
        """How many it takes."""

    async def look(self) -> None:
        """Ask the database anew; what it does not say is NaN."""
        before_us = self._clock.now_us()
        try:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(_FACTS)
        except LedgerUnavailable:
            row = None
        if row is None:
            self.takes_writes = 0.0
            self.clock_offset_s = self.bytes = self.connections = self.max_connections = _UNKNOWN
            return
        self.takes_writes = float(row["takes_writes"])
        self.clock_offset_s = _offset_us(before_us, row["now_us"], self._clock.now_us()) / SECOND_US
        self.bytes, self.connections = float(row["bytes"]), float(row["connections"])
        self.max_connections = float(row["max_connections"])


def _offset_us(before_us: int, there_us: int, after_us: int) -> int:
    """
    Return by how much we are certainly ahead (negative: behind): it answered between *before_us* and *after_us*.

    >>> _offset_us(10, 12, 14), _offset_us(10, 4, 14), _offset_us(10, 20, 14)
    (0, 6, -6)
    """
    return max(before_us - there_us, 0) - max(there_us - after_us, 0)
