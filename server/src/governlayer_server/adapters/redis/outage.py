"""What a replica knows of an outage of Redis, shared by all that use it, so that one of them at most waits for it."""

import asyncio

from redis.exceptions import RedisClusterException, RedisError

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock

FAILURES = (RedisError, RedisClusterException, OSError)
"""What a client raises when Redis is away; a timeout is an OSError."""
RETRY_US = 1_000_000
PROBE_US = 2_000_000


class Outage:
    """
    Who sees Redis fail notes it; from then on nobody waits for it.

    Each second one look, beside the requests, sees whether it is back.

    Args:
        redis: the client of those who share this.
        clock: its monotonic clock is used.
    """

    def __init__(self, redis: AnyRedis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._retry_at_us = 0
        self._look: asyncio.Task[None] | None = None
        self.is_known = False
        """Whether Redis is known to be away. Without requests nobody looks whether it is back."""
        self.seen_us: int | None = None
        """When it was last seen to be away, by the monotonic clock."""

    def note(self) -> None:
        """Note that Redis has failed just now."""
        now_us = self._clock.monotonic_us()
        self.is_known, self._retry_at_us, self.seen_us = True, now_us + RETRY_US, now_us

    def lasts(self) -> bool:
        """Return whether Redis is known to be away: do without it. When it is time, a look begins."""
        if self.is_known and self._look is None and self._clock.monotonic_us() >= self._retry_at_us:
            self._look = asyncio.create_task(self.look())
        return self.is_known

    async def look(self) -> None:
        """See whether Redis is back, with more patience than requests have: connecting takes longer than answering."""
        try:
            async with asyncio.timeout(PROBE_US / SECOND_US):
                await self._redis.ping()
        except Exception:  # noqa: BLE001  # whatever a client raises, Redis is not back
            self.note()
        else:
            self.is_known = False
        finally:
            self._look = None
