"""What goes with a rotation in tests: notes its steps, and dies behind the one that it is told to."""

from collections.abc import Awaitable, Callable


class KilledError(Exception):
    """The process is gone."""


async def _at_once() -> None:
    pass


class Steps:
    """``ports.rotations.Steps``; *dies_at* counts from 1, 0 meaning never."""

    def __init__(self, dies_at: int = 0, settle: Callable[[], Awaitable[None]] = _at_once) -> None:
        self.told: list[str] = []
        self._dies_at = dies_at
        self._settle = settle

    async def reached(self, step: str) -> None:
        self.told.append(step)
        if len(self.told) == self._dies_at:
            raise KilledError(step)

    def progress(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    async def rest(self, seconds: float) -> None:
        assert seconds >= 0

    async def settle(self) -> None:
        await self._settle()


class NextKey:
    """``ports.master_keys.NextMasterKey`` over two files in memory: *kept* holds the keys, the one in service first."""

    def __init__(self, kept: list[bytes], fresh: bytes) -> None:
        self._kept = kept
        self._fresh = fresh

    async def read(self) -> bytes | None:
        return self._kept[1] if len(self._kept) > 1 else None

    async def make(self) -> bytes:
        self._kept.append(self._fresh)
        return self._fresh

    async def put_in_place(self) -> None:
        if len(self._kept) > 1:
            del self._kept[0]
