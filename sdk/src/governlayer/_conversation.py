"""
The course of one question, without doing any of it.

A conversation is a generator: it yields what to do next (send this, wait so long, do that), is sent what came of it,
and returns the result. Both clients drive the same generators, so they cannot drift apart.
"""

from __future__ import annotations

import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from . import _answer
from ._asking import Asker
from ._config import Config
from ._files import FileStore
from ._proofs import Unproven
from ._state import MemoryStore
from ._wire import Conversation, Fault, Outcome, Reply, Send
from ._witness import Surroundings, Witness
from .ask import checked_idempotency_key
from .decision import Decision, unavailable
from .errors import GovernanceUnavailable, ServerError
from .ledger import Checkpoint


@dataclass(frozen=True, slots=True)
class Conversations:
    """
    Makes conversations for one client.

    Attributes:
        asker: makes and carries the requests.
        witness: holds answers against the ledger.
    """

    asker: Asker
    witness: Witness

    def govern(self, body: bytes, *, mode: str, idempotency_key: str | None, verified: bool) -> Conversation[Decision]:
        """
        Return the conversation that asks for one decision; it ends in a Decision or a typed error.

        Args:
            body: the question.
            mode: the mode that it asks for.
            idempotency_key: of all tries; None for a fresh one.
            verified: whether the answer's receipt is verified; the question must ask for one.
        """
        own_key = idempotency_key is None
        key = str(uuid.uuid4()) if idempotency_key is None else checked_idempotency_key(idempotency_key)
        deadline_s = self.asker.deadline_s()
        if verified:
            self.witness.refuse_after_fork()
        question = yield from self.witness.question(body, key, own_key=own_key and verified)
        request = self.asker.post("/v1/govern", body, key)
        outcome, tries = yield from self.asker.ask(request, deadline_s)
        decision = self._decision(outcome, mode)
        if decision is not None and verified:
            try:
                yield from self.witness.check(decision, question, deadline_s)
            except Unproven as why:
                decision, outcome = None, Fault(f"the keys of its ledger could not be fetched: {why}")
        return self._without_decision(outcome, tries, mode, key) if decision is None else decision

    def ready(self) -> Conversation[bool]:
        """Return the conversation that asks /readyz once, without the key."""
        outcome = yield Send(self.asker.get("/readyz", authenticated=False), self.asker.config.timeout_s)
        return isinstance(outcome, Reply) and outcome.status == 200

    def verify_now(self) -> Conversation[Checkpoint | None]:
        """Return the conversation that proves the newest checkpoint that was seen."""
        return self.witness.verify_now(self.asker.deadline_s())

    def _decision(self, outcome: Outcome, mode: str) -> Decision | None:
        if not isinstance(outcome, Reply):
            return None
        decision = _answer.decision_of(outcome, needs_ledger=mode != "dry_run")
        # An answer to another mode than the one asked is none: shadow would make a deny an allow.
        return decision if decision is not None and decision.mode == mode else None

    def _without_decision(self, outcome: Outcome, tries: int, mode: str, idempotency_key: str) -> Decision:
        error = self._server_error(outcome) if isinstance(outcome, Reply) else None
        outage = GovernanceUnavailable(
            _answer.why_unavailable(outcome, error),
            tries=tries,
            idempotency_key=idempotency_key,
            last_error=error,
        )
        if self.asker.config.on_unavailable == "raise":
            raise outage from error
        return unavailable(str(outage), mode)

    def _server_error(self, reply: Reply) -> ServerError | None:
        """Return a 5xx as an error and raise a 4xx: the caller's mistake is no outage."""
        if not 400 <= reply.status <= 599:
            return None
        error = _answer.api_error_of(reply, self.asker.config.api_key.reveal())
        if isinstance(error, ServerError):
            return error
        raise error


def conversations_for(config: Config) -> Conversations:
    """
    Return the conversations of a client with these settings.

    Raises:
        ConfigurationError: the state directory cannot be written.
    """
    draw = secrets.SystemRandom().random
    asker = Asker(config, time.monotonic, draw)
    directory = config.state_dir if config.verify_receipts else None
    store = MemoryStore() if directory is None else FileStore(directory)
    return Conversations(asker, Witness(asker, Surroundings(store, _utc_now, draw)))


def _utc_now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
