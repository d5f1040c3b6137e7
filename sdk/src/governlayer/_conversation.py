"""
The course of one question, without doing any of it.

A conversation is a generator: it yields what to do next (send this, wait so long), is sent what came of it,
and returns the result. Both clients drive the same generators, so they cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from . import _answer
from ._config import VERSION, Config
from ._retry import RetryState, next_wait
from ._wire import Outcome, Pause, Reply, Request, Send, Step
from .decision import Decision, unavailable
from .errors import GovernanceUnavailable, ServerError

T = TypeVar("T")
Conversation: TypeAlias = Generator[Step, Outcome | None, T]

# Uncompressed: an answer's size is then bounded by what was read.
_HEADERS = {
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",
    "User-Agent": f"governlayer-python/{VERSION}",
}


@dataclass(frozen=True, slots=True)
class Conversations:
    """
    Makes conversations for one client.

    Attributes:
        config: the client's settings.
        clock: seconds, never going back.
        jitter: a fresh random number, 0 to 1.
    """

    config: Config
    clock: Callable[[], float]
    jitter: Callable[[], float]

    def govern(self, body: bytes, *, mode: str, idempotency_key: str) -> Conversation[Decision]:
        """Return the conversation that asks for one decision; it ends in a Decision or a typed error."""
        request = Request(
            method="POST",
            url=f"{self.config.base_url}/v1/govern",
            headers={**_HEADERS, "Content-Type": "application/json", "Idempotency-Key": idempotency_key},
            body=body,
        )
        outcome, tries = yield from self._ask(request)
        return self._conclude(outcome, tries, mode, idempotency_key)

    def ready(self) -> Conversation[bool]:
        """Return the conversation that asks /readyz once, without the key."""
        request = Request("GET", f"{self.config.base_url}/readyz", _HEADERS, authenticated=False)
        outcome = yield Send(request, self.config.timeout_s)
        return isinstance(outcome, Reply) and outcome.status == 200

    def _ask(self, request: Request) -> Conversation[tuple[Outcome, int]]:
        """Ask until there is an answer, or no try or time is left; return the last outcome."""
        deadline_s = self.clock() + self.config.timeout_s
        limit_s, tries = self.config.timeout_s, 0
        while True:
            outcome = yield Send(request, limit_s)
            if outcome is None:
                raise AssertionError("a Send is answered with an outcome")
            tries += 1
            state = RetryState(deadline_s, self.config.max_retries, tries)
            wait_s = next_wait(state, self.clock(), _answer.facts_of(outcome), self.jitter())
            if wait_s is None:
                return outcome, tries
            yield Pause(wait_s)
            limit_s = deadline_s - self.clock()
            if limit_s <= 0:
                return outcome, tries

    def _conclude(self, outcome: Outcome, tries: int, mode: str, idempotency_key: str) -> Decision:
        error: ServerError | None = None
        if isinstance(outcome, Reply):
            decision = _answer.decision_of(outcome, needs_ledger=mode != "dry_run")
            # An answer to another mode than the one asked is none: shadow would make a deny an allow.
            if decision is not None and decision.mode == mode:
                return decision
            error = self._server_error(outcome)
        outage = GovernanceUnavailable(
            _answer.why_unavailable(outcome, error),
            tries=tries,
            idempotency_key=idempotency_key,
            last_error=error,
        )
        if self.config.on_unavailable == "raise":
            raise outage from error
        return unavailable(str(outage), mode)

    def _server_error(self, reply: Reply) -> ServerError | None:
        """Return a 5xx as an error and raise a 4xx: the caller's mistake is no outage."""
        if not 400 <= reply.status <= 599:
            return None
        error = _answer.api_error_of(reply, self.config.api_key.reveal())
        if isinstance(error, ServerError):
            return error
        raise error
