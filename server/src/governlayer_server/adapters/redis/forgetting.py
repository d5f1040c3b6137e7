"""Tells every replica at once to forget what it keeps of an organization's principals, over Redis pub/sub."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from redis.exceptions import RedisError

from governlayer_server.adapters.redis.connect import AnyRedis

_CHANNEL = "governlayer:forget"
_RETRY_S = 0.2


class RedisForgetting:
    """Quick, not sure: where Redis is away, what a replica keeps ends by itself after a moment (``PrincipalCache``)."""

    def __init__(self, redis: AnyRedis) -> None:
        self._redis = redis

    async def forget(self, organization_id: UUID) -> None:
        """Tell all replicas, this one included."""
        with suppress(RedisError, OSError):
            await self._redis.publish(_CHANNEL, str(organization_id))

    async def listen(self, forget: Callable[[UUID | None], None]) -> None:
        """Call *forget* for each organization that is told of, and with None whenever messages may have been missed."""
        while True:
            try:
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(_CHANNEL)
                    forget(None)
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            forget(UUID(message["data"].decode()))
            except (RedisError, OSError):
                forget(None)
            await asyncio.sleep(_RETRY_S)
