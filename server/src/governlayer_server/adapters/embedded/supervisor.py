"""Keeps the embedded servers running: starts both, brings back one that died, stops them in order."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from governlayer_server.adapters.embedded.errors import EmbeddedError

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_STABLE_S = 30.0
_LOG_CHECK_S = 30.0


class Service(Protocol):
    """What the supervisor needs of a server."""

    @property
    def name(self) -> str:
        """One word for logs."""

    async def start(self) -> None:
        """Return when it serves; do nothing if it runs; raise EmbeddedError if it cannot."""

    async def stop(self) -> None:
        """Return when it is gone."""

    async def wait(self) -> str:
        """Return how it ended, when it has ended."""

    def bound_log(self) -> None:
        """Keep its log small."""


@dataclass(frozen=True)
class Event:
    """
    Something that happened to a server; fit for a log, without secrets.

    Attributes:
        service: ``postgres`` or ``redis``.
        kind: ``started``, ``died`` (by itself), ``start_failed`` (tried again after a pause) or ``stopped``.
        detail: how it died, or why it does not start; else empty.
    """

    service: str
    kind: Literal["started", "died", "start_failed", "stopped"]
    detail: str = ""


class Supervisor:
    """
    Runs *services*: started at the same time, stopped one after the other from the last to the first.

    Args:
        services: for the appliance ``[postgres, redis]``.
        on_event: called on the event loop for every event; must not raise.
    """

    def __init__(self, services: list[Service], on_event: Callable[[Event], None]) -> None:
        self._services = services
        self._on_event = on_event
        self._tasks: list[asyncio.Task[None]] = []
        self._started: set[str] = set()
        self._stopping = asyncio.Lock()

    async def start(self) -> None:
        """
        Start all services at the same time, and watch them from then on.

        Raises:
            EmbeddedError: one does not start; all are stopped again.
            CancelledError: :meth:`stop` was called in the meantime.
        """
        starting = asyncio.create_task(self._start_all())
        self._tasks = [starting]
        try:
            await starting
        except BaseException:
            await self.stop()
            raise
        self._tasks = [asyncio.create_task(self._watch(service)) for service in self._services]
        self._tasks.append(asyncio.create_task(self._bound_logs()))

    async def stop(self) -> None:
        """Stop starting and watching, then the services, the last one first; returns when all are gone."""
        async with self._stopping:
            tasks, self._tasks = self._tasks, []
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for service in reversed(self._services):
                await service.stop()
                if service.name in self._started:
                    self._started.remove(service.name)
                    self._on_event(Event(service.name, "stopped"))

    async def _start_all(self) -> None:
        # All attempts end before an error is raised: stopping must not meet a service that is half started.
        results = await asyncio.gather(*map(self._start, self._services), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def _start(self, service: Service) -> None:
        await service.start()
        self._started.add(service.name)
        self._on_event(Event(service.name, "started"))

    async def _watch(self, service: Service) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            since = time.monotonic()
            ending = await service.wait()
            if time.monotonic() - since > _STABLE_S:
                pause_s = _FIRST_PAUSE_S
            self._on_event(Event(service.name, "died", ending))
            pause_s = await self._bring_back(service, pause_s)

    async def _bring_back(self, service: Service, pause_s: float) -> float:
        """Start *service* again, after a pause that doubles each time; return the next pause."""
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                await self._start(service)
            except EmbeddedError as error:
                self._on_event(Event(service.name, "start_failed", str(error)))
            else:
                return pause_s

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOG_CHECK_S)
            for service in self._services:
                service.bound_log()
