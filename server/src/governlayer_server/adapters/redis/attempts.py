"""Counts sign-in attempts over all replicas: a sorted set of times for each bucket, one script, Redis' own clock."""

from collections.abc import Sequence
from uuid import UUID

from redis.exceptions import RedisError

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.domain.sign_in_throttle import Bucket
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
_US = 1_000_000


class RedisSignInAttempts:
    """
    ``ports.sign_in.SignInAttempts``: exact over all replicas.

    Args:
        redis: where the counters are.
        alone: counts for this replica where Redis is away, so that nobody guesses without limits then.
    """

    def __init__(self, redis: AnyRedis, alone: SignInAttempts) -> None:
        self._redis = redis
        self._spend = redis.register_script(_SPEND)
        self._alone = alone

    async def spend(self, attempt: UUID, buckets: Sequence[Bucket]) -> int:
        """Spend *attempt* from all of *buckets* and return 0, or from none and return the seconds to wait."""
        limits = [number for bucket in buckets for number in (bucket.limit, bucket.window_s)]
        try:
            wait_us = int(await self._spend(keys=_names(buckets), args=[attempt.hex, *limits]))
        except (RedisError, OSError):
            return await self._alone.spend(attempt, buckets)
        return -(-wait_us // _US)

    async def give_back(self, attempt: UUID, buckets: Sequence[Bucket]) -> None:
        """Let *attempt* no longer count in *buckets*, wherever it was counted."""
        await self._alone.give_back(attempt, buckets)
        try:
            async with self._redis.pipeline(transaction=False) as commands:
                for name in _names(buckets):
                    commands.zrem(name, attempt.hex)
                await commands.execute()
        except (RedisError, OSError):
            return  # it stops counting by itself when its window ends


def _names(buckets: Sequence[Bucket]) -> list[str]:
    return [_NAME.format(name=bucket.name) for bucket in buckets]
