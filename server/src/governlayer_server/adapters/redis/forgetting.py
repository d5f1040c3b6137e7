"""Tells every replica at once to forget what it keeps of an organization's principals, over Redis pub/sub."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import choice
from typing import Any
from uuid import UUID

from redis.asyncio import ConnectionPool, Redis, RedisCluster
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Lost

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.adapters.redis.outage import FAILURES

_CHANNEL = "governlayer:forget"
_RETRY_S = 0.2
_TELL_S = 0.5
_IDLE_S = 5.0
Forget = Callable[[UUID | None], None]


class RedisForgetting:
    """Quick, not sure: where Redis is away, what a replica keeps ends by itself after a moment (``PrincipalCache``)."""

    def __init__(self, redis: AnyRedis) -> None:
        self._redis = redis

    async def forget(self, organization_id: UUID) -> None:
        """Tell all replicas; give up after half a second. Never raises for what Redis does."""
        with suppress(*FAILURES):
            async with asyncio.timeout(_TELL_S):
                await self._redis.publish(_CHANNEL, str(organization_id))

    async def listen(self, forget: Forget) -> None:
        """Call *forget* for each organization that is told of, and with None whenever messages may have been missed."""
        while not _cancelled():
            listener = Redis.from_pool(self._own_pool())
            try:
                with suppress(*FAILURES):
                    async with listener.pubsub() as subscription:
                        await subscription.subscribe(_CHANNEL)
                        await _hear(subscription, forget)
            finally:
                await listener.aclose()
            forget(None)
            await asyncio.sleep(_RETRY_S)

    def _own_pool(self) -> ConnectionPool:
        """
        Return a pool of one connection to the same Redis.

        A subscription keeps its connection for good: it may not take one from the requests, nor wait for them. No
        retries: they would connect and subscribe again unseen, and what was told in between would be missed.
        """
        source: Any = self._redis
        if isinstance(self._redis, RedisCluster):
            # Every node of a cluster passes on what any is told; with another one at each attempt, none is needed.
            node: Any = choice(list(self._redis.nodes_manager.startup_nodes.values()))  # noqa: S311  # nosec B311
            source, place = node, {"host": node.host, "port": node.port}
        else:
            source, place = source.connection_pool, {}
        options = {**source.connection_kwargs, **place, "retry": Retry(NoBackoff(), 0)}
        return ConnectionPool(connection_class=source.connection_class, max_connections=1, **options)


async def _hear(subscription: PubSub, forget: Forget) -> None:
    """
    Pass on what is told.

    Raises:
        RedisError, OSError: the connection is lost, or silent: a ping was not answered within 5 seconds.
    """
    asked = False
    while not _cancelled():
        message = await subscription.get_message(timeout=_IDLE_S)
        if message is None:
            if asked:
                raise Lost("the subscription is silent")
            await subscription.ping()
        asked = message is None
        if message is not None and message["type"] != "pong":
            forget(_told(message))


def _cancelled() -> bool:
    """Whether the task is to end: the client swallows a cancellation that reaches it while it connects."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _told(message: dict[str, Any]) -> UUID | None:
    """Return whom a message is about; None (all) for the start of a subscription, and for what is no id."""
    try:
        return UUID(message["data"].decode("ascii"))
    except (AttributeError, ValueError):
        return None
