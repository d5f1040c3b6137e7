"""``ports.refusals.Refusals`` on PostgreSQL: what is closed is in memory, and in a table for replicas and restarts."""

from collections.abc import Sequence

from governlayer_server.adapters.postgres.appending import append_within
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.domain.errors import LedgerRefused
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import Append, Entry
from governlayer_server.ports.refusals import Refusal, Restored

_REFUSE = """
INSERT INTO ledger_refusal (ledger_id, found_us, evidence) VALUES ($1, $2, $3)
ON CONFLICT (ledger_id, found_us) DO NOTHING
"""
_OPEN = "SELECT ledger_id, found_us, evidence FROM ledger_refusal WHERE ledger_id = $1 AND lifted_us IS NULL ORDER BY 2"
_RESTORE = """
INSERT INTO ledger_restore (ledger_id, kept, lost, restored_us) VALUES ($1, $2, greatest($2::bigint, $3::bigint), $4)
"""
_LIFT = "UPDATE ledger_refusal SET lifted_us = $2 WHERE ledger_id = $1 AND lifted_us IS NULL"


class PostgresRefusals:
    """``ports.refusals.Refusals``. ``reload`` has to be called before the first question."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._stored: frozenset[str] = frozenset()
        # Found here and not stored: it stays closed all the same.
        self._found: frozenset[str] = frozenset()

    @property
    def closed(self) -> frozenset[str]:
        """The ids of the closed ledgers."""
        return self._stored | self._found

    def require_open(self, ledger_id: str) -> None:
        """
        Return if the ledger may be written.

        Raises:
            LedgerRefused: it may not.
        """
        if ledger_id in self._stored or ledger_id in self._found:
            raise LedgerRefused

    async def reload(self) -> None:
        """Read which ledgers are closed; where that fails, what was known stays."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM closed_ledgers()")
        self._stored = frozenset(row[0] for row in rows)
        self._found -= self._stored

    async def refuse(self, refusal: Refusal) -> None:
        """Close the ledger."""
        self._found |= {refusal.ledger_id}
        async with self._database.transaction(refusal.ledger_id) as connection:
            await connection.execute(_REFUSE, refusal.ledger_id, refusal.found_us, refusal.evidence)
        # From now on the table says when it is open again: another process may have lifted it before the next reload.
        self._stored |= {refusal.ledger_id}
        self._found -= {refusal.ledger_id}

    async def of_ledger(self, ledger_id: str) -> Sequence[Refusal]:
        """Return why the ledger is closed."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(_OPEN, ledger_id)
        return [Refusal(**dict(row)) for row in rows]

    async def restores(self, ledger_id: str) -> Sequence[Restored]:
        """Return the restores of the ledger."""
        async with self._database.transaction(ledger_id) as connection:
            rows = await connection.fetch(
                "SELECT kept, lost FROM ledger_restore WHERE ledger_id = $1 ORDER BY 1", ledger_id
            )
        return [Restored(**dict(row)) for row in rows]

    async def reopen(self, append: Append, lost: int) -> Entry:
        """Append the ``restore`` record and open the ledger, in one transaction."""
        async with self._database.transaction(append.ledger_id) as connection:
            entry = await append_within(connection, append, self._clock.now_us)
            now_us = self._clock.now_us()
            await connection.execute(_RESTORE, append.ledger_id, entry.record.seq, lost, now_us)
            await connection.execute(_LIFT, append.ledger_id, now_us)
        self._stored -= {append.ledger_id}
        self._found -= {append.ledger_id}
        return entry
