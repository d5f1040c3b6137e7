"""Read usage: how much an organization's principals asked, per day and outcome."""

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.account import UsageCount
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.count_usage import CountUsage


class Day(Struct, frozen=True, kw_only=True):
    """The requests of one day (days since the Unix epoch, UTC): per principal and outcome, and in all."""

    day: int
    principals: Mapping[str, Mapping[str, int]]
    totals: Mapping[str, int]


class ReadUsage(Struct, frozen=True, kw_only=True):
    """Reads what ``CountUsage`` counts."""

    accounts: AccountStore
    usage: CountUsage
    clock: Clock

    async def __call__(self, organization_id: UUID, days: int) -> Sequence[Day]:
        """
        Return the last *days* days on which there was anything, today included, oldest first.

        This replica's own counts are written first; those of other replicas lag a few seconds behind.
        """
        await self.usage.flush()
        since = self.clock.now_us() // DAY_US - days + 1
        async with self.accounts.tenant(organization_id) as tenant:
            counts = await tenant.usage.since(since)
        return [_day(day, [one for one in counts if one.day == day]) for day in sorted({one.day for one in counts})]


def _day(day: int, counts: Sequence[UsageCount]) -> Day:
    principals: dict[str, dict[str, int]] = {}
    totals: Counter[str] = Counter()
    for count in counts:
        principals.setdefault(count.principal_id, {})[count.outcome] = count.requests
        totals[count.outcome] += count.requests
    return Day(day=day, principals=principals, totals=dict(sorted(totals.items())))
