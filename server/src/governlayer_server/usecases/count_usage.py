"""Count who asked how often, and with what outcome; written to the store every few seconds, not with every request."""

from collections import defaultdict
from uuid import UUID

from governlayer_server.domain.account import UsageCount
from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock
from governlayer_server.ports.accounts import AccountStore

ADMITTED = "admitted"
FORBIDDEN = "forbidden"
RATE_LIMITED = "rate_limited"


class CountUsage:
    """Counts in memory. What was not flushed when the process is killed is lost: these are counts, not records."""

    def __init__(self, accounts: AccountStore, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._counts: dict[UUID, dict[tuple[str, int, str], UsageCount]] = defaultdict(dict)

    def note(self, organization_id: UUID, principal_id: str, outcome: str) -> None:
        """
        Count one request.

        Args:
            organization_id: whose.
            principal_id: the API key's or user's id.
            outcome: ``admitted``, or why it was refused: ``expired``, ``revoked``, ``rotated``, ``address``,
                ``altered``, ``forbidden``, ``rate_limited``.
        """
        now_us = self._clock.now_us()
        place = (principal_id, now_us // DAY_US, outcome)
        old = self._counts[organization_id].get(place)
        self._counts[organization_id][place] = UsageCount(
            principal_id=principal_id,
            day=place[1],
            outcome=outcome,
            requests=1 + (old.requests if old else 0),
            last_us=now_us,
        )

    async def flush(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        for organization_id in list(self._counts):
            counts = self._counts.pop(organization_id, {})
            try:
                async with self._accounts.tenant(organization_id) as tenant:
                    await tenant.usage.add(list(counts.values()))
            except GovernLayerError:
                self._keep(organization_id, counts)
            except BaseException:  # cancelled at the stop: the last flush has them
                self._keep(organization_id, counts)
                raise

    def _keep(self, organization_id: UUID, counts: dict[tuple[str, int, str], UsageCount]) -> None:
        present = self._counts[organization_id]
        for place, count in counts.items():
            more = present.get(place)
            present[place] = UsageCount(
                principal_id=count.principal_id,
                day=count.day,
                outcome=count.outcome,
                requests=count.requests + (more.requests if more else 0),
                last_us=max(count.last_us, more.last_us if more else 0),
            )
