"""What the probes found, kept for a second: a flood of questions costs what one costs."""

import asyncio

from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock
from governlayer_server.web.routes.health import Probes, Readiness

_KEPT_US = SECOND_US


class KeptProbes:
    """
    Asks *probes* once at a time, for all who ask meanwhile and within a second of the answer.

    Args:
        probes: ask all parts.
        clock: its monotonic time counts.
    """

    def __init__(self, probes: Probes, clock: Clock) -> None:
        self._probes = probes
        self._clock = clock
        self._asking: asyncio.Task[Readiness] | None = None
        self._until_us = 0

    async def __call__(self) -> Readiness:
        """Return what works; at most a second old."""
        if self._asking is None or (self._asking.done() and self._clock.monotonic_us() >= self._until_us):
            self._asking = asyncio.create_task(self._ask())
        # Who goes away does not end it for the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Readiness:
        try:
            return await self._probes()
        finally:
            self._until_us = self._clock.monotonic_us() + _KEPT_US
