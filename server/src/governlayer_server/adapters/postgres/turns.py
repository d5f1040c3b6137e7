"""``ports.turns.Turn`` on PostgreSQL: an advisory lock of the session, which ends with the process at the latest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from governlayer_server.adapters.postgres.database import Database
from governlayer_server.domain.errors import Unavailable
from governlayer_server.domain.times import HOUR_US, MINUTE_US
from governlayer_server.ports import Clock

RETENTION = 0x474C524554  # "GLRET"
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


class PostgresTurn:
    """
    One kind of work.

    Args:
        database: in which the processes meet.
        lock: number of the lock, each kind of work has its own.
        clock: by which the work is done.
    """

    def __init__(self, database: Database, lock: int, clock: Clock) -> None:
        self._database = database
        self._lock = lock
        self._clock = clock

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[bool]:
        """
        Yield whether it is this process's turn.

        Raises:
            LedgerUnavailable: the database is away.
            Unavailable: this machine's clock and the database's differ by more than an hour.
        """
        async with self._database.connection() as connection:
            self._require_same_hour(int(await connection.fetchval(_NOW)))
            mine = bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock))
            try:
                yield mine
            finally:
                if mine:
                    await connection.fetchval("SELECT pg_advisory_unlock($1)", self._lock)

    def _require_same_hour(self, there_us: int) -> None:
        differ_us = abs(self._clock.now_us() - there_us)
        if differ_us > HOUR_US:
            differ = f"{differ_us // MINUTE_US} minutes"
            raise Unavailable(f"the clocks of this machine and of PostgreSQL differ by {differ}: nothing was done")
