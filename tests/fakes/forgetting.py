"""Hear what a replica is told to forget."""

import asyncio
from uuid import UUID, uuid4

from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.adapters.redis.forgetting import RedisForgetting


async def is_heard(teller: AnyRedis, hearer: AnyRedis, limit_s: float = 30.0) -> bool:
    """Return whether what is told through *teller* arrives at who listens through *hearer*."""
    heard: list[UUID | None] = []
    listening = asyncio.create_task(RedisForgetting(hearer).listen(heard.append))
    organization_id = uuid4()
    try:
        async with asyncio.timeout(limit_s):
            while organization_id not in heard:
                await RedisForgetting(teller).forget(organization_id)
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return True
