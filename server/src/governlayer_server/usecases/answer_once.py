"""
Answer once: a repeated request with the same idempotency key gets the stored answer, and nothing is done twice.

The answer is kept with the ledger record of what was done, in the same transaction, and encrypted: it may hold a
secret that is shown once (API contract §1).
"""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct

from governlayer_server.domain.errors import IdempotencyKeyReused
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock, Place, RunningRequests, Vault
from governlayer_server.ports.ledger import AnswerExists, Append, LedgerStore, Remember, StoredAnswer

KEPT_US = DAY_US


class Once(Struct, frozen=True, kw_only=True):
    """The caller's idempotency key, and the exact body that came with it."""

    key: str
    body: bytes

    def __repr__(self) -> str:
        """No body: it may hold a secret."""
        return "Once()"


class Kept(Struct, frozen=True, kw_only=True):
    """An answer in bytes, and whether it had been given before."""

    answer: bytes
    replayed: bool = False

    def __repr__(self) -> str:
        """No answer: it may hold a secret."""
        return f"Kept(replayed={self.replayed})"


Keep = Callable[[Append, bytes], Awaitable[Append]]
"""
Returns the record with the answer to keep beside it.

It encrypts for the tenant: called in the transaction that the record goes into, or before it.
"""
Work = Callable[[Keep], Awaitable[bytes]]
"""Does what is asked for, hands its record and its answer to the ``Keep`` it is given, and returns the answer."""


class Question(Struct, frozen=True, kw_only=True):
    """
    What was asked, by keyed fingerprints: the idempotency key with all that it counts for, and the body.

    ``otherwise`` is the same under the other peppers at hand: it may have been answered before the pepper was changed.
    """

    key: bytes
    body: bytes
    otherwise: "tuple[Question, ...]" = ()

    @property
    def turn(self) -> bytes:
        """What a request takes while it runs: the same in all processes, whichever pepper each has in service."""
        return min((self.key, *(one.key for one in self.otherwise)), key=lambda key: (len(key), key[:4]))


def question_of(vault: Vault, name: str, body: bytes) -> Question:
    """Return the question with the idempotency key *name*, and what it counts for within the organization."""
    keys = vault.fingerprints("idempotency-key", name.encode())
    first, *others = zip(keys, vault.fingerprints("idempotency-body", body), strict=True)
    otherwise = tuple(Question(key=key, body=one) for key, one in others)
    return Question(key=first[0], body=first[1], otherwise=otherwise)


async def find_answer(
    ledger: LedgerStore, ledger_id: str, question: Question, now_us: int
) -> tuple[StoredAnswer, Question] | None:
    """Return the answer that was given before, and the question as it was stored then."""
    for one in (question, *question.otherwise):
        stored = await ledger.answer(ledger_id, one.key, now_us)
        if stored is not None:
            return stored, one
    return None


async def seal_answer(
    vault: Vault,
    organization_id: UUID,
    record_id: UUID,
    question: Question,
    answer: bytes,
    now_us: int,
    subjects: Sequence[UUID] = (),
) -> Remember:
    """Return *answer* to be kept for 24 hours beside its record, which names these data *subjects* (ids of keys)."""
    sealed = await vault.seal(_answer_place(organization_id, record_id, question), answer, subjects)
    return Remember(key=question.key, body=question.body, sealed=sealed, expires_us=now_us + KEPT_US)


async def open_answer(vault: Vault, organization_id: UUID, stored: StoredAnswer, question: Question) -> bytes:
    """
    Return the answer that was given to *question* before.

    Raises:
        IdempotencyKeyReused: it was given to another body.
    """
    if stored.body != question.body:
        raise IdempotencyKeyReused("this idempotency key was used before with another body")
    return await vault.open(_answer_place(organization_id, stored.record_id, question), stored.sealed)


def _answer_place(organization_id: UUID, record_id: UUID, question: Question) -> Place:
    """Return where an answer opens: only for the question it was given to, the same key and the same body."""
    row = f"{record_id}/{question.key.hex()}/{question.body.hex()}"
    return Place(organization_id=organization_id, table="idempotent_answer", column="sealed", row=row)


class AnswerOnce(Struct, frozen=True, kw_only=True):
    """Does work once for each idempotency key of a caller."""

    ledger: LedgerStore
    running: RunningRequests
    vault: Vault
    clock: Clock

    async def __call__(
        self, actor: Actor, organization_id: UUID, operation: str, once: Once | None, work: Work
    ) -> Kept:
        """
        Return what *work* answers, or what it answered within the last 24 hours to this caller, key and body.

        Args:
            actor: the caller. Another caller with the same idempotency key is another request: an answer may hold a
                secret, and is for those who asked for it.
            organization_id: whose ledger *work* writes to.
            operation: what is asked for, such as ``POST /v1/keys``; no spaces but one after the method.
            once: None: the caller gave no idempotency key; *work* is done.
            work: called at most once.

        Raises:
            IdempotencyKeyReused: the key was used with another body. Nothing was done.
            IdempotencyInProgress: the first request with this key is still running.
            LedgerUnavailable: the database is away.
        """
        if once is None:
            return Kept(answer=await work(_keep_nothing))
        name = f"{actor.kind} {actor.id} {operation} {once.key}"
        question = question_of(self.vault, name, once.body)

        async def keep(append: Append, answer: bytes) -> Append:
            now_us = self.clock.now_us()
            remember = await seal_answer(self.vault, organization_id, append.record_id, question, answer, now_us)
            return msgspec.structs.replace(append, remember=remember)

        async with self.running.claim(organization_id, question.turn):
            found = await find_answer(self.ledger, str(organization_id), question, self.clock.now_us())
            if found is None:
                try:
                    return Kept(answer=await work(keep))
                except AnswerExists as exists:
                    found = exists.answer, question
            return Kept(answer=await open_answer(self.vault, organization_id, *found), replayed=True)


async def _keep_nothing(append: Append, _answer: bytes) -> Append:
    return append
