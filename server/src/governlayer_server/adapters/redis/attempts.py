"""Counts sign-in attempts over all replicas: a sorted set of times for each bucket, one script, Redis' own clock."""

from collections.abc import Sequence
from uuid import UUID

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.adapters.redis.outage import FAILURES, Outage
from governlayer_server.domain.sign_in_throttle import Bucket
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports.sign_in import SignInAttempts

# All buckets of an attempt lie in one slot of a cluster.
_NAME = "{{sign-in}}:{name}"
# KEYS: buckets. ARGV: the attempt, then limit and window in seconds of each bucket. Returns the microseconds to wait.
_SPEND = """
local time = redis.call('TIME')
local now, wait = time[1] * 1000000 + time[2], 0
for i, key in ipairs(KEYS) do
    local limit, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1]) * 1000000
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
    if redis.call('ZCARD', key) >= limit then
        local first = tonumber(redis.call('ZRANGE', key, -limit, -limit, 'WITHSCORES')[2])
        wait = math.max(wait, first + window - now)
    end
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, now, ARGV[1])
    redis.call('EXPIRE', key, ARGV[2 * i + 1])
end
return 0
"""


class RedisSignInAttempts:
    """
    ``ports.sign_in.SignInAttempts``: exact over all replicas.

    Args:
        redis: where the counters are.
        alone: counts for this replica where Redis is away, so that nobody guesses without limits then.
        outage: what is known of that: no attempt waits then.
    """

    def __init__(self, redis: AnyRedis, alone: SignInAttempts, outage: Outage) -> None:
        self._redis = redis
        self._alone = alone
        self._outage = outage

    async def spend(self, attempt: UUID, buckets: Sequence[Bucket]) -> int:
        """Spend *attempt* from all of *buckets* and return 0, or from none and return the seconds to wait."""
        if self._outage.lasts():
            return await self._alone.spend(attempt, buckets)
        names, limits = (
            _names(buckets),
            [str(number) for bucket in buckets for number in (bucket.limit, bucket.window_s)],
        )
        try:
            wait_us = int(await self._redis.eval(_SPEND, len(names), *names, attempt.hex, *limits))
        except FAILURES:
            self._outage.note()
            return await self._alone.spend(attempt, buckets)
        return -(-wait_us // SECOND_US)

    async def give_back(self, attempt: UUID, buckets: Sequence[Bucket]) -> None:
        """Let *attempt* no longer count in *buckets*, wherever it was counted."""
        await self._alone.give_back(attempt, buckets)
        if self._outage.lasts():
            return
        try:
            for name in _names(buckets):
                await self._redis.zrem(name, attempt.hex)
        except FAILURES:  # it stops counting by itself when its window ends
            self._outage.note()


def _names(buckets: Sequence[Bucket]) -> list[str]:
    return [_NAME.format(name=bucket.name) for bucket in buckets]
