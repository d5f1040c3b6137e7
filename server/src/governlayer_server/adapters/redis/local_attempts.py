"""Counts sign-in attempts in this process alone: for the time that Redis is away, and for tests."""

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from governlayer_server.domain.sign_in_throttle import Bucket
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock

MAX_BUCKETS = 100_000


class LocalSignInAttempts:
    """
    ``ports.sign_in.SignInAttempts`` in memory.

    Args:
        clock: its monotonic time counts.
        max_buckets: how many are kept; beyond it those go that were spent from the longest ago.
    """

    def __init__(self, clock: Clock, max_buckets: int = MAX_BUCKETS) -> None:
        self._clock = clock
        self._max_buckets = max_buckets
        self._spent: OrderedDict[str, dict[UUID, int]] = OrderedDict()

    async def spend(self, attempt: UUID, buckets: Sequence[Bucket]) -> int:
        """Spend *attempt* from all of *buckets* and return 0, or from none and return the seconds to wait."""
        now_us = self._clock.monotonic_us()
        wait_us = max((self._wait_us(bucket, now_us) for bucket in buckets), default=0)
        if wait_us > 0:
            return -(-wait_us // SECOND_US)
        for bucket in buckets:
            self._spent.setdefault(bucket.name, {})[attempt] = now_us
            self._spent.move_to_end(bucket.name)
        while len(self._spent) > self._max_buckets:
            self._spent.popitem(last=False)
        return 0

    async def give_back(self, attempt: UUID, buckets: Sequence[Bucket]) -> None:
        """Let *attempt* no longer count in *buckets*."""
        for bucket in buckets:
            self._spent.get(bucket.name, {}).pop(attempt, None)

    def _wait_us(self, bucket: Bucket, now_us: int) -> int:
        """Return how long *bucket* is full, after forgetting what has left its window."""
        window_us = bucket.window_s * SECOND_US
        times = {attempt: at for attempt, at in self._spent.get(bucket.name, {}).items() if at > now_us - window_us}
        if bucket.name in self._spent:
            self._spent[bucket.name] = times
        if len(times) < bucket.limit:
            return 0
        return sorted(times.values())[-bucket.limit] + window_us - now_us
