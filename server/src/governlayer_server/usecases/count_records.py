"""Count a ledger's records by type; what was counted once is remembered, because no record ever changes."""

from collections.abc import Mapping

from governlayer_server.domain.record_counts import TypeCount
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.record_counts import RecordCounts

_AT_ONCE = 50_000


class CountRecords:
    """
    Counts for the life of the process: each call goes on where the one before ended, also one that was given up.

    Args:
        ledger: says how far a ledger goes.
        counts: counts a range.
        at_once: how many records are read in one transaction.
    """

    def __init__(self, ledger: LedgerStore, counts: RecordCounts, at_once: int = _AT_ONCE) -> None:
        self._ledger = ledger
        self._counts = counts
        self._at_once = at_once
        self._known: dict[str, tuple[int, Mapping[str, TypeCount]]] = {}

    async def __call__(self, ledger_id: str) -> Mapping[str, TypeCount]:
        """
        Return the counts by type, of all records that are durable now.

        Raises:
            NotFound: there is no such ledger.
            LedgerUnavailable: the database is away.
        """
        size = (await self._ledger.head(ledger_id)).size
        counted, found = self._known.get(ledger_id, (0, {}))
        if counted > size:  # put back to an older state
            counted, found = 0, {}
        while counted < size:
            last = min(size, counted + self._at_once) - 1
            for one in await self._counts.by_type(ledger_id, counted, last):
                found = {**found, one.type: found[one.type].with_later(one) if one.type in found else one}
            counted = last + 1
            self._known[ledger_id] = (counted, found)
        return dict(sorted(found.items()))
