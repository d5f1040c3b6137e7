"""Work that goes on beside the requests, for as long as an appliance is open."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

_LAST_S = 2.0
Report = Callable[..., object]


class Background:
    """Tasks that end together."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* from now on."""
        self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Cancel all that runs, and return when it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def every(seconds: float, work: Callable[[], Awaitable[None]], report: Report) -> None:
    """
    Do *work* every *seconds* until cancelled, and then once more, for 2 seconds at most.

    Args:
        seconds: between the end of one time and the start of the next.
        work: a failure of it ends nothing.
        report: told of a failure by the name of its class alone: its text may hold what logs may not.
    """
    try:
        while True:
            await asyncio.sleep(seconds)
            await _attempt(work, report)
    finally:
        async with asyncio.timeout(_LAST_S):
            await _attempt(work, report)


async def _attempt(work: Callable[[], Awaitable[None]], report: Report) -> None:
    try:
        await work()
    except Exception as error:  # noqa: BLE001  # the next time may succeed, and nobody else would hear of it
        report("background_failed", error=type(error).__name__)
