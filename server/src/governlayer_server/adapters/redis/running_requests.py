"""Which idempotency keys are being worked on, across replicas: one Redis key each, with a short life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.adapters.redis.outage import FAILURES, Outage
from governlayer_server.domain.errors import IdempotencyInProgress
from governlayer_server.ports import Entropy

_LIFE_MS = 10_000
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisRunningRequests:
    """
    ``ports.RunningRequests``. A holder that died lets go after 10 seconds.

    Args:
        redis: where the keys are held.
        entropy: for the names of holders.
        outage: what is known of Redis being away: no request waits then.
    """

    def __init__(self, redis: AnyRedis, entropy: Entropy, outage: Outage) -> None:
        self._redis = redis
        self._entropy = entropy
        self._outage = outage

    @asynccontextmanager
    async def claim(self, organization_id: UUID, key: bytes) -> AsyncIterator[None]:
        """
        Hold *key* for the length of the context; where Redis is away, hold nothing and go on.

        Raises:
            IdempotencyInProgress: another request holds it.
        """
        name = f"{{{organization_id}}}:running:{key.hex()}"
        token = self._entropy.bytes(16).hex()
        held = await self._hold(name, token)
        if held is False:
            raise IdempotencyInProgress("a request with this idempotency key is still running")
        try:
            yield
        finally:
            if held:
                await self._let_go(name, token)

    async def _hold(self, name: str, token: str) -> bool | None:
        """Return whether the key is held now; None: nobody can tell, and the ledger store refuses a second record."""
        if self._outage.lasts():
            return None
        try:
            return bool(await self._redis.set(name, token, nx=True, px=_LIFE_MS))
        except FAILURES:
            self._outage.note()
            return None

    async def _let_go(self, name: str, token: str) -> None:
        if self._outage.lasts():
            return  # it ends by itself
        try:
            await self._redis.eval(_RELEASE, 1, name, token)
        except FAILURES:
            self._outage.note()


async def redis_answers(redis: AnyRedis) -> bool:
    """Return whether Redis answers."""
    try:
        return bool(await redis.ping())
    except FAILURES:
        return False
