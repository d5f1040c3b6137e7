"""``ports.RunningRequests`` in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from governlayer_server.domain.errors import IdempotencyInProgress


class MemoryRunningRequests:
    def __init__(self) -> None:
        self._held: set[tuple[UUID, bytes]] = set()
        self.away = False

    @asynccontextmanager
    async def claim(self, organization_id: UUID, key: bytes) -> AsyncIterator[None]:
        if self.away:
            yield
            return
        if (organization_id, key) in self._held:
            raise IdempotencyInProgress("a request with this idempotency key is still running")
        self._held.add((organization_id, key))
        try:
            yield
        finally:
            self._held.discard((organization_id, key))
