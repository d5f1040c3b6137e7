"""What passes between the pure half of the SDK and the two clients: requests out, replies or faults back."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import httpx

# A question is at most 1 MiB (api.md §1); no true answer is near this.
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, without its credentials."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    authenticated: bool = True


@dataclass(frozen=True, slots=True)
class Send:
    """Step: send *request*, and answer with a Reply or a Fault within *limit_s* seconds."""

    request: Request
    limit_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Step: wait."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """Step: do *run*, which may wait for the disk."""

    run: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # a careless proxy may echo the key in them
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """No response, or one cut short; *why* is for people and holds nothing of the request."""

    why: str


Step: TypeAlias = Send | Pause | Work
Outcome: TypeAlias = Reply | Fault
T = TypeVar("T")
# What to do next is yielded, what came of it is sent in, and the result is returned.
Conversation: TypeAlias = Generator[Step, Outcome | None, T]

TIMED_OUT: Final = Fault("timed out")
TOO_LARGE: Final = Fault("answer too large")
# OSError: what a transport other than httpx's own may let through.
TRANSPORT_ERRORS: Final = (httpx.RequestError, OSError)


def done(work: Callable[[], T]) -> Conversation[T]:
    """Return the conversation that does *work* where it may block, and ends in its result."""
    results: list[T] = []
    yield Work(lambda: results.append(work()))
    return results[0]


def timeouts(limit_s: float, connect_timeout_s: float) -> httpx.Timeout:
    """Return httpx's limits for one try: each single operation gets what is left, connecting less."""
    return httpx.Timeout(limit_s, connect=min(connect_timeout_s, limit_s))


def fault_of(error: Exception) -> Fault:
    """Return *error* without itself: an httpx error holds the request, and that holds the key."""
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return TIMED_OUT
    if isinstance(error, (httpx.ConnectError, httpx.ProxyError)):
        return Fault("could not connect")
    return Fault("connection failed")


def has_plain_body(headers: Mapping[str, str]) -> bool:
    """Return whether the body is uncompressed, as asked: unpacking could blow it up past any bound."""
    return headers.get("content-encoding", "identity").strip().lower() == "identity"
