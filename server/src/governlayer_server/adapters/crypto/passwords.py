"""
Passwords: bcrypt over a keyed pre-hash (API contract §2; OWASP Password Storage Cheat Sheet).

bcrypt reads 72 bytes at most and stops at NUL, so the password first goes through HMAC-SHA-384 under the server's
pepper and base64: 64 characters, whatever was typed.

A check takes the time of one hash at the configured cost, whoever is asked for: an unknown user, one without a
password and a damaged hash are checked against a hash of nobody, and an old, cheaper hash is made up for. Only hashes
dearer than the setting, left from before it was lowered, take longer.
"""

import asyncio
import base64
import hmac
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import NamedTuple, TypeVar

import bcrypt

from governlayer_server.adapters.crypto.peppers import FIRST_NUMBER, Peppers
from governlayer_server.domain.errors import ConfigurationError, InvalidRequest, Overloaded

_T = TypeVar("_T")

COST = 12
MAX_COST = 16
THREADS = 1
MAX_WAITING = 16
_MIN_BCRYPT_COST = 4
# Salt (its last character carries two bits) and digest, in bcrypt's base64.
_STORED = re.compile(r"(?:([1-9][0-9]{0,8}):)?(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31})")


class _Stored(NamedTuple):
    number: int
    bare: str
    cost: int


class BcryptPasswords:
    """
    ``ports.PasswordHasher`` in threads of its own: one hash takes a quarter of a second of one core.

    Args:
        pepper: key of the pre-hash; one that is rotated, or one alone. A hash under another than the first begins with
            the pepper's number: ``2:$2b$…``.
        cost: binary logarithm of bcrypt's rounds, 12 to 16; tests take less.
        threads: how many hashes run at the same time.
        waiting: how many more may wait; who comes then is refused at once. New passwords get half of all places, so
            that who registers in numbers keeps nobody from signing in.

    Raises:
        ConfigurationError: *cost* is none of bcrypt's, or higher than 16.
    """

    def __init__(
        self, pepper: Peppers | bytes, cost: int = COST, *, threads: int = THREADS, waiting: int = MAX_WAITING
    ) -> None:
        if not _MIN_BCRYPT_COST <= cost <= MAX_COST:
            raise ConfigurationError(f"the cost of bcrypt is at most {MAX_COST}")
        self._peppers = Peppers(pepper) if isinstance(pepper, bytes) else pepper
        self._cost = cost
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="bcrypt")
        self._places = BoundedSemaphore(threads + waiting)
        self._new = BoundedSemaphore(max(1, (threads + waiting) // 2))

    def __repr__(self) -> str:
        """No pepper."""
        return f"BcryptPasswords(cost={self._cost})"

    async def hash(self, password: str) -> str:
        """
        Return ``$2b$…`` of *password* with a fresh salt and the pepper in service.

        Raises:
            InvalidRequest: *password* holds a lone surrogate, which no client can send again as UTF-8.
            Overloaded: too many are waiting. Nothing was hashed.
        """
        number = self._peppers.active
        prehash, mark = self._prehash(password, number), "" if number == FIRST_NUMBER else f"{number}:"
        if not _is_unicode(password):
            raise InvalidRequest("the password holds a character that UTF-8 cannot encode")
        return await self._run(lambda: mark + bcrypt.hashpw(prehash, bcrypt.gensalt(self._cost)).decode(), self._new)

    async def verify(self, password: str, stored: str | None) -> bool:
        """
        Return whether *stored* was made of *password*; the time tells nothing of *stored*.

        Args:
            password: as it was received.
            stored: what ``hash`` returned; None for an unknown user, or one who has no password: returns False.

        Raises:
            Overloaded: too many are waiting. Nothing was checked.
        """
        read = None if stored is None else _read(stored)
        number = self._peppers.active if read is None else read.number
        if self._peppers.key(number) is None:
            read, number = None, self._peppers.active
        prehash = self._prehash(password, number)
        return await self._run(lambda: self._check(prehash, read))

    def needs_rehash(self, stored: str) -> bool:
        """
        Return whether the password is to be hashed again at sign-in.

        It is where *stored* is of a lower cost than the setting, or under an earlier pepper than the one in service.
        """
        read = _read(stored)
        return read is not None and (read.cost < self._cost or read.number < self._peppers.active)

    def is_outdated(self, stored: str) -> bool:
        """Return whether *stored* was hashed with an earlier pepper than the one in service."""
        read = _read(stored)
        return read is not None and read.number < self._peppers.active

    def close(self) -> None:
        """Drop what waits; a hash that runs goes on to its end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _check(self, prehash: bytes, stored: _Stored | None) -> bool:
        if stored is None:
            bcrypt.checkpw(prehash, _hash_of_nobody(self._cost))
            return False
        genuine = bcrypt.checkpw(prehash, stored.bare.encode())
        # 2^c + (2^c + 2^(c+1) + … + 2^(s-1)) = 2^s: a hash of cost c takes the time of one of cost s.
        for missing in range(stored.cost, self._cost):
            bcrypt.checkpw(prehash, _hash_of_nobody(missing))
        return genuine

    def _prehash(self, password: str, number: int) -> bytes:
        pepper = self._peppers.key(number) or b""
        # With lone surrogates the bytes are no UTF-8, so they are those of no password that was ever hashed.
        return base64.b64encode(hmac.digest(pepper, password.encode("utf-8", "surrogatepass"), "sha384"))

    async def _run(self, work: Callable[[], _T], *narrower: BoundedSemaphore) -> _T:
        taken: list[BoundedSemaphore] = []
        for places in (*narrower, self._places):
            if not places.acquire(blocking=False):
                _release(taken)
                raise Overloaded("too many passwords are being checked: try again in a moment")
            taken.append(places)
        running = self._threads.submit(work)
        # Who goes away while waiting leaves the queue; work that has begun keeps its place until it ends.
        running.add_done_callback(lambda _: _release(taken))
        return await asyncio.wrap_future(running)


def _release(taken: Iterable[BoundedSemaphore]) -> None:
    for places in taken:
        places.release()


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _read(stored: str) -> _Stored | None:
    """Return a well-formed hash; None for all else, and for costs that nobody sets."""
    found = _STORED.fullmatch(stored)
    if found is None or not _MIN_BCRYPT_COST <= int(found[3]) <= MAX_COST:
        return None
    return _Stored(number=int(found[1] or FIRST_NUMBER), bare=found[2], cost=int(found[3]))


def _hash_of_nobody(cost: int) -> bytes:
    """Return a well-formed hash whose password nobody knows: checking against it takes the time of *cost*."""
    return b"$2b$%02d$" % cost + b"." * 53
