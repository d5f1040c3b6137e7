"""
Govern: decide about an action and record the decision before it is answered.

    evaluate (pure; errors are a deny) → seal payloads → append (one transaction) → answer

No answer leaves without a durable record, except for a dry run, which writes nothing and says so.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple
from uuid import UUID

import msgspec
from msgspec import Struct, field

from governlayer_server.domain.access import Principal
from governlayer_server.domain.action import ActionRequest, Mode
from governlayer_server.domain.admission import admit
from governlayer_server.domain.decision import Decision, LedgerPlace, ScanResult
from governlayer_server.domain.decision_record import action_digest, decision_body
from governlayer_server.domain.errors import Fault, InvalidRequest, LedgerUnavailable
from governlayer_server.domain.ledger.record import Draft, Record
from governlayer_server.domain.organization import StorePayloads
from governlayer_server.domain.policy import PolicySet
from governlayer_server.domain.stored_payloads import stored_texts
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Entropy, RunningRequests, Signers, Vault
from governlayer_server.ports.ledger import AnswerExists, Append, Entry, LedgerStore, StoredAnswer, SubjectGone
from governlayer_server.usecases.answer_once import Once, Question, find_answer, open_answer, question_of, seal_answer
from governlayer_server.usecases.evaluate import Evaluate, Evaluation
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.seal_payloads import seal_payloads
from governlayer_server.usecases.sign_checkpoint import keys_of_then, receipt_again, receipt_for

_LONG_CHARACTERS = 8_192
# One is enough to keep a core busy; a second lets a short one pass a long one.
_LONG_SCANS = 2
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class Answered(Struct, frozen=True, kw_only=True):
    """The decision, and whether it had been given before."""

    decision: Decision
    replayed: bool = False


class Govern(Struct, frozen=True, kw_only=True):
    """Decides about actions."""

    evaluate: Evaluate
    ledger: LedgerStore
    running: RunningRequests
    vault: Vault
    signer: Signers
    clock: Clock
    entropy: Entropy
    long_scans: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LONG_SCANS))

    async def __call__(self, principal: Principal, request: ActionRequest, once: Once | None = None) -> Answered:
        """
        Return the decision about *request*, durably recorded unless it is a dry run.

        Raises:
            InvalidRequest: the request breaks a rule that needs more than its form to see.
            IdempotencyKeyReused: the key was used with another body.
            IdempotencyInProgress: the first request with this key is still running.
            LedgerUnavailable: the record could not be made durable; there is no decision.
        """
        if request.approval_id is not None:
            raise InvalidRequest("there is no such approval", [Fault("/approval_id", "there is no such approval")])
        if once is None or request.options.mode is Mode.DRY_RUN:
            return Answered(decision=await self._decide(principal, request, None))
        question = question_of(self.vault, once.key, once.body)
        async with self.running.claim(principal.organization_id, question.turn):
            found = await find_answer(self.ledger, str(principal.organization_id), question, self.clock.now_us())
            if found is None:
                try:
                    return Answered(decision=await self._decide(principal, request, question))
                except AnswerExists as exists:
                    found = exists.answer, question
            return Answered(decision=await self._replay(principal, request, *found), replayed=True)

    async def _decide(self, principal: Principal, request: ActionRequest, question: Question | None) -> Decision:
        evaluation = await self._evaluated(principal, request)
        decision_id = new_id(self.clock, self.entropy)
        decision = _decision(decision_id, request, evaluation, self.evaluate.engine.policy_set)
        if request.options.mode is Mode.DRY_RUN:
            return decision
        entry = await self._recorded(principal, request, decision, decision_id, question)
        receipt = receipt_for(self.signer, entry) if request.options.receipt else None
        return _placed(decision, entry.head.origin, entry.record, receipt)

    async def _evaluated(self, principal: Principal, request: ActionRequest) -> Evaluation:
        return await self._aside(admit(request), self.evaluate, request, principal.settings.default_decision)

    async def _aside(self, characters: int, work: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        """Scan long texts in a thread, so that other requests go on meanwhile."""
        if characters < _LONG_CHARACTERS:
            return work(*arguments)
        async with self.long_scans:
            return await asyncio.to_thread(work, *arguments)

    async def _recorded(
        self,
        principal: Principal,
        request: ActionRequest,
        decision: Decision,
        decision_id: UUID,
        question: Question | None,
    ) -> Entry:
        """Return the durable record; where a data subject was erased meanwhile, what is asked now is new data of it."""
        for _ in range(2):
            append = await self._append(principal, request, decision, decision_id, question)
            try:
                return await self.ledger.append(append)
            except SubjectGone:
                self.vault.forget_subjects(append.subjects)
        raise LedgerUnavailable("a data subject is being erased")

    async def _append(
        self,
        principal: Principal,
        request: ActionRequest,
        decision: Decision,
        decision_id: UUID,
        question: Question | None,
    ) -> Append:
        organization_id = principal.organization_id
        store = principal.settings.store_payloads
        characters = admit(request) if store is StorePayloads.REDACTED else 0  # else nothing is scanned
        texts = await self._aside(characters, stored_texts, request, decision, store)
        subjects: tuple[UUID, ...] = ()
        if request.data_subjects and (texts or question):
            subjects = await self.vault.subjects(organization_id, request.data_subjects)
        sealed, commitments = await seal_payloads(
            self.vault, self.entropy, organization_id, decision_id, texts, subjects
        )
        draft = Draft(
            type="decision",
            actor=principal.actor,
            body=decision_body(request, decision),
            commitments=commitments,
        )
        kept = None
        if question is not None:
            answer, now_us = msgspec.json.encode(decision), self.clock.now_us()
            kept = await seal_answer(self.vault, organization_id, decision_id, question, answer, now_us, subjects)
        return Append(
            ledger_id=str(organization_id),
            record_id=decision_id,
            draft=draft,
            payloads=sealed,
            agent=request.agent.id,
            decision=decision.decision.value,
            subjects=subjects,
            remember=kept,
        )

    async def _replay(
        self, principal: Principal, request: ActionRequest, stored: StoredAnswer, question: Question
    ) -> Decision:
        opened = await open_answer(self.vault, principal.organization_id, stored, question)
        ledger_id = str(principal.organization_id)
        decision = msgspec.json.decode(opened, type=Decision)
        record = await self.ledger.place_of(ledger_id, stored.record_id)
        head = await self.ledger.head(ledger_id)
        receipt = None
        if request.options.receipt:
            also = await keys_of_then(self.signer, self.ledger, ledger_id, stored.size)
            receipt = receipt_again(self.signer, head.origin, record, stored, also)
        return _placed(decision, head.origin, record, receipt)


def _placed(decision: Decision, origin: str, record: Record, receipt: str | None) -> Decision:
    place = LedgerPlace(
        origin=origin,
        seq=record.seq,
        hash=record.hash.hex(),
        prev_hash=record.prev_hash.hex(),
        time=time_text(record.time_us),
    )
    return msgspec.structs.replace(decision, ledger=place, receipt=receipt)


def _decision(decision_id: UUID, request: ActionRequest, evaluation: Evaluation, policy_set: PolicySet) -> Decision:
    ruling = evaluation.ruling
    return Decision(
        decision_id=str(decision_id),
        decision=ruling.outcome,
        enforced=request.options.mode is Mode.ENFORCE,
        mode=request.options.mode,
        reason_code=ruling.code,
        reason=ruling.reason,
        determined_by=ruling.determined_by,
        policies=ruling.policies(policy_set.version, explain=request.options.explain),
        policy_set=policy_set.used,
        obligations=ruling.obligations,
        redacted=evaluation.redacted,
        risk=evaluation.risk,
        scan=ScanResult(findings=evaluation.findings),
        action_digest=action_digest(request),
        timings_us=evaluation.timings_us,
    )
