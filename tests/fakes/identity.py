"""What signing in needs of the outside world, in memory."""

from collections.abc import Coroutine
from typing import Any

from governlayer_server.domain.errors import Unavailable
from governlayer_server.ports import PasswordHasher


class CountedPasswords:
    """``ports.PasswordHasher`` that counts, and notes what it was asked; ``failure`` comes out of the next checks."""

    def __init__(self, inner: PasswordHasher) -> None:
        self.inner = inner
        self.verified: list[str | None] = []
        self.hashed = 0
        self.failure: Exception | None = None

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return await self.inner.hash(password)

    async def verify(self, password: str, stored: str | None) -> bool:
        if self.failure is not None:
            raise self.failure
        self.verified.append(stored)
        return await self.inner.verify(password, stored)

    def is_outdated(self, stored: str) -> bool:
        return self.inner.is_outdated(stored)

    def needs_rehash(self, stored: str) -> bool:
        return self.inner.needs_rehash(stored)


class MemoryMailer:
    """``ports.sign_in.Mailer``: keeps the letters."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.away = False

    async def send(self, address: str, subject: str, text: str) -> None:
        if self.away:
            raise Unavailable("the letter could not be sent")
        self.sent.append((address, subject, text))


class Later:
    """``ports.sign_in.Later``: waits until it is told."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, None]] = []

    def __call__(self, work: Coroutine[Any, Any, None]) -> None:
        self.waiting.append(work)

    async def now(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            await work
