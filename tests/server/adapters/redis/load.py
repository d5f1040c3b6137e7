"""Many tasks that spend without pause, and what can be proven of the windows afterwards."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from governlayer_server.adapters.redis.quota import RedisQuotaStore
from governlayer_server.domain.quota import Bucket, Mode

LONG_AGO_US = 1


@dataclass
class Load:
    """Spends *limit* of one organization through *stores*, until told to end."""

    stores: Sequence[RedisQuotaStore]
    limit: int
    owner: str = "load"
    tasks: int = 20
    admitted: list[tuple[float, float]] = field(default_factory=list)
    modes: set[Mode] = field(default_factory=set)
    refused: int = 0
    slowest_s: float = 0.0
    _ended: bool = False

    async def __aenter__(self) -> "Load":
        self._running = [asyncio.create_task(self._spend(number)) for number in range(self.tasks)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = True
        await asyncio.gather(*self._running)

    async def _spend(self, number: int) -> None:
        while not self._ended:
            sent = time.monotonic()
            buckets = [Bucket("key", self.limit, str(number % 10)), Bucket("org", self.limit)]
            verdict = await self.stores[number % len(self.stores)].spend(self.owner, buckets, LONG_AGO_US)
            came = time.monotonic()
            self.slowest_s = max(self.slowest_s, came - sent)
            self.modes.add(verdict.mode)
            if verdict.admitted:
                self.admitted.append((sent, came))
            else:
                self.refused += 1
            await asyncio.sleep(0.002)

    def most(self, window_s: float) -> int:
        """The most admissions that surely lie in one half-open window: asked for and answered inside it."""
        spans = sorted(self.admitted)
        return max(
            (sum(sent >= start and came < start + window_s for sent, came in spans) for start, _ in spans), default=0
        )

    def since(self, moment: float) -> int:
        return sum(sent >= moment for sent, _ in self.admitted)
