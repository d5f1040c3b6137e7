"""``ports.turns.Turn`` in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MemoryTurn:
    def __init__(self) -> None:
        self.taken = False

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[bool]:
        mine = not self.taken
        self.taken = True
        try:
            yield mine
        finally:
            self.taken = self.taken and not mine
