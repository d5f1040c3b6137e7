"""Work that no request waits for: what goes on for good, what is repeated, and what comes after an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self

MAX_WAITING = 64
_AGAIN_S = 1.0
_Work = Callable[[], Awaitable[object]]


class Background:
    """
    Runs work beside the requests; leaving the context ends it all, after a last turn of what is done again and again.

    Args:
        log: is told the name of an error, and nothing else of it.
        waiting: how much may be going on after answers; what comes then is dropped.
    """

    def __init__(self, log: Callable[..., object], waiting: int = MAX_WAITING) -> None:
        self._log = log
        self._waiting = waiting
        self._lasting: list[asyncio.Task[None]] = []
        self._repeated: list[_Work] = []
        self._after: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all work."""
        running = [*self._lasting, *self._after]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for work in self._repeated:
            await self._quietly(work())

    def start(self, work: _Work) -> None:
        """Run *work*, which goes on for good: one that ends all the same is begun again after a pause."""

        async def last() -> None:
            while True:
                await self._quietly(work())
                # Libraries swallow cancellations: what was told to end is not begun again.
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    return
                await asyncio.sleep(_AGAIN_S)

        self._lasting.append(asyncio.create_task(last()))

    def every(self, seconds: float, work: _Work, *, last: _Work | None = None, at_end: bool = True) -> None:
        """Do *work* every so many seconds, and (*at_end*) once more at the end, or *last* in its place."""
        if at_end:
            self._repeated.append(last or work)

        async def repeat() -> None:
            while True:
                await asyncio.sleep(seconds)
                await self._quietly(work())

        self._lasting.append(asyncio.create_task(repeat()))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* beside the answer, unless too much is going on already."""
        if len(self._after) >= self._waiting:
            work.close()
            return
        task = asyncio.create_task(self._quietly(work))
        self._after.add(task)
        task.add_done_callback(self._after.discard)

    async def _quietly(self, work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  # nobody waits for it, and the process must go on
            self._log("background_failed", error=type(error).__name__)
