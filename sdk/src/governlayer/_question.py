"""Which answers may belong to a question: none that was there before it, and none that another one got."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ._receipt import Sighting
from .errors import ReceiptError

_MOST: Final = 4_096


@dataclass(frozen=True, slots=True)
class Question:
    """
    A question as it is sent.

    Attributes:
        body: JSON.
        idempotency_key: of all its tries.
        known: the size of the largest checkpoint known by now, by origin; empty where the caller chose the key, for
            then the answer may rightly be one that was given before.
    """

    body: bytes
    idempotency_key: str
    known: Mapping[str, int]

    def require_later(self, seen: Sighting) -> None:
        """
        Return if the record of the answer was not on the ledger yet when the question was sent.

        Raises:
            ReceiptError: it was, because a checkpoint that was known by then covers it.
        """
        size = self.known.get(seen.checkpoint.origin, 0)
        if seen.seq < size:
            raise ReceiptError(
                f"the answer is an old one: its record {seen.seq} was on the ledger, of {size} records, before the "
                "question was sent"
            )


class Given:
    """The last 4,096 decisions that were returned, each with its question. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._questions: dict[str, bytes] = {}

    def require_own(self, decision_id: str, question: Question) -> None:
        """
        Remember that *question* got this decision.

        Raises:
            ReceiptError: another question, or one with another idempotency key, got it before.
        """
        digest = hashlib.sha256(question.idempotency_key.encode() + b"\n" + question.body).digest()
        if self._questions.setdefault(decision_id, digest) != digest:
            raise ReceiptError("the answer is an old one: its decision was given to another question")
        if len(self._questions) > _MOST:
            del self._questions[next(iter(self._questions))]
