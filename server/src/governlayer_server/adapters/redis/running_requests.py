"""Which idempotency keys are being worked on, across replicas: one Redis key each, with a short life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from redis.exceptions import RedisClusterException, RedisError

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.domain.errors import IdempotencyInProgress
from governlayer_server.ports import Entropy

_LIFE_MS = 10_000
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisRunningRequests:
    """``ports.RunningRequests``. A holder that died lets go after 10 seconds."""

    def __init__(self, redis: AnyRedis, entropy: Entropy) -> None:
        self._redis = redis
        self._entropy = entropy

    @asynccontextmanager
    async def claim(self, organization_id: UUID, key: bytes) -> AsyncIterator[None]:
        """
        Hold *key* for the length of the context; where Redis is away, hold nothing and go on.

        Raises:
            IdempotencyInProgress: another request holds it.
        """
        name = f"{{{organization_id}}}:running:{key.hex()}"
        token = self._entropy.bytes(16).hex()
        try:
            held = await self._redis.set(name, token, nx=True, px=_LIFE_MS)
        except (RedisError, RedisClusterException, OSError):
            # The ledger store refuses a second record by itself; this marker only gives the clearer answer.
            yield
            return
        if not held:
            raise IdempotencyInProgress("a request with this idempotency key is still running")
        try:
            yield
        finally:
            with suppress(RedisError, RedisClusterException, OSError):
                await self._redis.eval(_RELEASE, 1, name, token)


async def redis_answers(redis: AnyRedis) -> bool:
    """Return whether Redis answers."""
    try:
        return bool(await redis.ping())
    except (RedisError, RedisClusterException, OSError):
        return False
