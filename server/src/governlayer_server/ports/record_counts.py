"""How many records of which types a ledger has, as the use cases see it."""

from collections.abc import Sequence
from typing import Protocol

from governlayer_server.domain.record_counts import TypeCount


class RecordCounts(Protocol):
    """Counts records."""

    async def by_type(self, ledger_id: str, first: int, last: int) -> Sequence[TypeCount]:
        """Return the counts of the records *first* to *last*, inclusive, by type."""
