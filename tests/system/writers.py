"""Clients that ask without pause and write down every answer that they got."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tests.system.appliance import Appliance
from tests.system.client import Answer, Client, question
from tests.system.replicas import Replica

PATIENCE_S = 10.0
_PAUSE_S = 0.05
_NOT_NOW = {409: "idempotency_in_progress", 503: "ledger_unavailable"}


class Ack(NamedTuple):
    """What an answer of 200 said."""

    action: str
    decision_id: str
    seq: int
    hash: str
    replayed: bool


class Writer(threading.Thread):
    """
    Asks one question after the other, each under an idempotency key and an action name of its own.

    A patient writer repeats what was not answered until it is; an impatient one gives it up, so that nobody will ever
    know from an answer whether it was recorded.
    """

    def __init__(self, server: Appliance | Replica, key: str, name: str, *, patient: bool) -> None:
        super().__init__(name=name, daemon=True)
        self.acks: list[Ack] = []
        self.given_up: set[str] = set()
        self.unexpected: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._server = server
        self._key = key
        self._patient = patient
        self._end = threading.Event()
        self._client = Client(server.port, key, PATIENCE_S)

    def run(self) -> None:
        number = 0
        while not self._end.is_set():
            self._ask(f"{self.name}.n{number}")
            number += 1
        self._client.close()

    def stop(self) -> None:
        self._end.set()

    def again(self, ack: Ack) -> Answer:
        """Ask the same again."""
        return Client(self._server.port, self._key, PATIENCE_S).govern(*_asked(ack.action))

    def _ask(self, action: str) -> None:
        while not self._answered(action):
            time.sleep(_PAUSE_S)
            if not self._patient:
                self.given_up.add(action)
                return

    def _answered(self, action: str) -> bool:
        start = time.monotonic()
        try:
            answer = self._client.govern(*_asked(action))
        except (OSError, http.client.HTTPException) as error:
            self.outcomes[type(error).__name__] += 1
            self._client.close()
            self._client = Client(self._server.port, self._key, PATIENCE_S)
            return self._late(start)
        except AssertionError as error:
            self.unexpected.append(f"{action}: {error}")
            return True
        self._late(start)
        return self._took(action, answer)

    def _late(self, start: float) -> bool:
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)
        return False

    def _took(self, action: str, answer: Answer) -> bool:
        self.outcomes[str(answer.status)] += 1
        if answer.status == 200:
            body = answer.json()
            replayed = answer.all("Idempotency-Replayed") == ["true"]
            place = body["ledger"]
            self.acks.append(Ack(action, body["decision_id"], place["seq"], place["hash"], replayed))
            return True
        if _NOT_NOW.get(answer.status) == answer.json().get("code") and b'"decision"' not in answer.body:
            return False
        self.unexpected.append(f"{action}: {answer.status} {answer.body!r}")
        return True


def _asked(action: str) -> tuple[dict[str, object], dict[str, str]]:
    return question(action={"name": action}), {"Idempotency-Key": action}


def acknowledged(writers: Sequence[Writer]) -> int:
    return sum(len(writer.acks) for writer in writers)
