"""
When to ask again: arithmetic on values, no clock, no randomness, no waiting.

The budget is one for all tries. A wait that would not end inside it is not begun: the caller gets its answer
early instead of late. Backoff is exponential with full jitter, so that clients that failed together do not
come back together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BASE_WAIT_S: Final = 0.05
MAX_WAIT_S: Final = 1.0
RETRIED_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
IN_PROGRESS: Final = "idempotency_in_progress"


@dataclass(frozen=True, slots=True)
class RetryState:
    """
    How far one question has come.

    Attributes:
        deadline_s: when the budget ends, on the same clock as *now_s* of :func:`next_wait`.
        max_retries: how many tries there may be after the first, 0 or more.
        tries: how many were made, 1 or more.
    """

    deadline_s: float
    max_retries: int
    tries: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What one try ended with: a status with its problem code, or no answer at all (*status* None)."""

    status: int | None
    code: str | None = None
    retry_after_s: float | None = None


def is_retried(facts: Facts) -> bool:
    """Return whether asking again may help: no answer, 429, 500, 502, 503, 504, or a first try running."""
    if facts.status == 409:
        return facts.code == IN_PROGRESS
    return facts.status is None or facts.status in RETRIED_STATUSES


def next_wait(state: RetryState, now_s: float, facts: Facts, jitter: float) -> float | None:
    """
    Return how many seconds to wait before the next try, or None to give up.

    The wait is ``jitter * min(1 s, 0.05 s * 2^(tries - 1))``, or what Retry-After asks (RFC 9110 §10.2.3)
    where that is longer, and ends before the deadline.

    Args:
        state: how far the question has come.
        now_s: the clock, seconds.
        facts: what the last try ended with.
        jitter: a fresh random number, 0 to 1.
    """
    if state.tries > state.max_retries or not is_retried(facts):
        return None
    backoff_s = jitter * min(MAX_WAIT_S, BASE_WAIT_S * 2.0 ** min(state.tries - 1, 10))
    wait_s = max(backoff_s, facts.retry_after_s or 0.0)
    return wait_s if now_s + wait_s < state.deadline_s else None
