"""Asks the appliance one thing until there is an answer, within a budget of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from . import _answer
from ._config import VERSION, Config
from ._retry import RetryState, next_wait
from ._wire import TIMED_OUT, Conversation, Outcome, Pause, Request, Send

# Uncompressed: an answer's size is then bounded by what was read.
_HEADERS: Final = {
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",
    "User-Agent": f"governlayer-python/{VERSION}",
}


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Makes requests for one client, and the conversations that carry them.

    Attributes:
        config: the client's settings.
        clock: seconds, never going back.
        jitter: a fresh random number, 0 to 1.
    """

    config: Config
    clock: Callable[[], float]
    jitter: Callable[[], float]

    def get(self, path: str, *, authenticated: bool = True) -> Request:
        """Return a GET request."""
        return Request("GET", f"{self.config.base_url}{path}", _HEADERS, authenticated=authenticated)

    def post(self, path: str, body: bytes, idempotency_key: str) -> Request:
        """Return a POST request of a JSON *body*."""
        headers = {**_HEADERS, "Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        return Request("POST", f"{self.config.base_url}{path}", headers, body)

    def deadline_s(self) -> float:
        """Return when the budget of a question that begins now is spent, on the clock."""
        return self.clock() + self.config.timeout_s

    def ask(self, request: Request, deadline_s: float) -> Conversation[tuple[Outcome, int]]:
        """Ask until there is an answer, or no try or time is left; return the last outcome and the number of tries."""
        last: Outcome = TIMED_OUT
        tries = 0
        while (limit_s := deadline_s - self.clock()) > 0:
            outcome = yield Send(request, limit_s)
            if outcome is None:
                raise AssertionError("a Send is answered with an outcome")
            last, tries = outcome, tries + 1
            state = RetryState(deadline_s, self.config.max_retries, tries)
            wait_s = next_wait(state, self.clock(), _answer.facts_of(last), self.jitter())
            if wait_s is None:
                break
            yield Pause(wait_s)
        return last, tries
