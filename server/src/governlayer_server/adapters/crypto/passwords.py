"""
Passwords: bcrypt over a keyed pre-hash (API contract §2; OWASP Password Storage Cheat Sheet).

bcrypt reads 72 bytes at most and stops at NUL, so the password first goes through HMAC-SHA-384 under the server's
pepper and base64: 64 characters, whatever was typed.
"""

import asyncio
import base64
import hmac
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt

_T = TypeVar("_T")

COST = 12
_THREADS = 1


class BcryptPasswords:
    """``ports.PasswordHasher`` in a thread of its own: one hash takes a quarter of a second of one core."""

    def __init__(self, pepper: bytes, cost: int = COST) -> None:
        self._pepper = pepper
        self._cost = cost
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="bcrypt")

    def __repr__(self) -> str:
        """No pepper."""
        return f"BcryptPasswords(cost={self._cost})"

    async def hash(self, password: str) -> str:
        """Return ``$2b$…`` of *password* with a fresh salt."""
        return await self._run(lambda: bcrypt.hashpw(self._prehash(password), bcrypt.gensalt(self._cost)).decode())

    async def verify(self, password: str, stored: str) -> bool:
        """Return whether *stored* was made of *password*, in constant time."""
        return await self._run(lambda: bcrypt.checkpw(self._prehash(password), stored.encode()))

    def _prehash(self, password: str) -> bytes:
        return base64.b64encode(hmac.digest(self._pepper, password.encode(), "sha384"))

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
