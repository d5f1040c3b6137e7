"""Govern: no answer without a durable record, no second record for one request."""

import asyncio
import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from governlayer_server.domain.action import Mode
from governlayer_server.domain.decision import Decision, DeterminedBy, Outcome
from governlayer_server.domain.errors import (
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    Unavailable,
)
from governlayer_server.domain.ledger.commitment import commitments
from governlayer_server.domain.ledger.record import Record
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.policy import EngineAnswer
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases import evaluate as evaluate_module
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.seal_payloads import open_payload

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.policy_engine import says

EMAIL = "ann.miller@example.org"
ONCE = Once(key="request-1", body=b'{"the":"body"}')
DAY_US = 24 * 3600 * 1_000_000


async def decisions(appliance: FakeAppliance, organization: Organization) -> list[Record]:
    only = RecordFilter(type="decision")
    return list(await appliance.ledger.records(str(organization.id), -1, 1_000, only))


def body_of(record: Record) -> dict[str, Any]:
    value = json.loads(record.canonical)["body"]
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("reasons", "outcome", "determined_by", "code"),
    [
        (("allow",), Outcome.ALLOW, DeterminedBy.POLICY, "allowed"),
        (("deny",), Outcome.DENY, DeterminedBy.POLICY, "denied"),
        (("approve",), Outcome.REQUIRE_APPROVAL, DeterminedBy.POLICY, "needs_approval"),
        (("allow", "redact"), Outcome.REDACT, DeterminedBy.POLICY, "redacted"),
        ((), Outcome.DENY, DeterminedBy.DEFAULT, "no_policy_permits"),
    ],
)
async def test_every_outcome_is_recorded_as_it_is_answered(
    appliance: FakeAppliance,
    acme: Organization,
    reasons: tuple[str, ...],
    outcome: Outcome,
    determined_by: DeterminedBy,
    code: str,
) -> None:
    appliance.engine.answer = says(*reasons)
    decision = (await appliance.govern(principal_of(acme), action(f"I am {EMAIL}"))).decision
    assert (decision.decision, decision.determined_by, decision.reason_code) == (outcome, determined_by, code)
    assert decision.enforced
    (record,) = await decisions(appliance, acme)
    body = body_of(record)
    assert (body["decision"], body["determined_by"], body["reason_code"]) == (outcome, determined_by, code)
    assert (body["decision_id"], body["policy_set"]["version"]) == (decision.decision_id, 7)
    assert decision.ledger is not None
    assert (decision.ledger.seq, decision.ledger.hash) == (record.seq, record.hash.hex())
    assert (await appliance.ledger.place_of(str(acme.id), UUID(decision.decision_id))) == record
    assert EMAIL.encode() not in record.canonical


async def test_an_evaluation_that_fails_is_a_deny_and_it_is_recorded(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[Any] = [ValueError("x"), EngineAnswer(permitted=True, reasons=("allow",), failed=True)]
    for answer in failures:
        appliance.engine.answer = answer
        decision = (await appliance.govern(principal_of(acme), action("x"))).decision
        assert (decision.decision, decision.reason_code) == (Outcome.DENY, "evaluation_failed")
    for step in ("find", "score"):
        with monkeypatch.context() as patch:
            patch.setattr(evaluate_module, step, lambda *_: 1 / 0)
            decision = (await appliance.govern(principal_of(acme), action("x"))).decision
        assert (decision.decision, decision.reason_code) == (Outcome.DENY, "evaluation_failed")
    recorded = [body_of(record) for record in await decisions(appliance, acme)]
    assert [(body["decision"], body["reason_code"]) for body in recorded] == [("deny", "evaluation_failed")] * 4


@pytest.mark.parametrize("once", [None, ONCE])
@pytest.mark.parametrize(
    "failure", [LedgerUnavailable("away"), Unavailable("away"), OSError("disk"), RuntimeError("x")]
)
async def test_without_a_durable_record_there_is_no_decision(
    appliance: FakeAppliance, acme: Organization, failure: Exception, once: Once | None
) -> None:
    appliance.ledger.failure = failure
    with pytest.raises(type(failure)):
        await appliance.govern(principal_of(acme), action("x"), once)
    appliance.ledger.failure = None
    assert await decisions(appliance, acme) == []
    answered = await appliance.govern(principal_of(acme), action("x"), once)
    assert not answered.replayed


async def test_a_dry_run_decides_and_writes_nothing(appliance: FakeAppliance, acme: Organization) -> None:
    before = await appliance.ledger.head(str(acme.id))
    appliance.ledger.failure = AssertionError("a dry run wrote")
    for once in (None, ONCE, ONCE):
        options = {"mode": "dry_run", "receipt": True}
        answered = await appliance.govern(principal_of(acme), action("x", options=options), once)
        decision = answered.decision
        assert (decision.decision, decision.enforced, decision.mode) == (Outcome.ALLOW, False, Mode.DRY_RUN)
        assert (decision.ledger, decision.receipt, answered.replayed) == (None, None, False)
    assert await appliance.ledger.head(str(acme.id)) == before


async def test_shadow_records_and_is_not_enforced(appliance: FakeAppliance, acme: Organization) -> None:
    appliance.engine.answer = says("deny")
    decision = (await appliance.govern(principal_of(acme), action("x", options={"mode": "shadow"}))).decision
    assert (decision.decision, decision.enforced, decision.mode) == (Outcome.DENY, False, Mode.SHADOW)
    (record,) = await decisions(appliance, acme)
    assert (body_of(record)["enforced"], body_of(record)["mode"]) == (False, "shadow")


@pytest.mark.parametrize("text", ["hello", f"I am {EMAIL}", f"I am {EMAIL} " * 2_000])
@pytest.mark.parametrize("reason", ["allow", "redact", "approve"])
async def test_a_repeated_request_gets_the_same_answer_and_no_second_record(
    appliance: FakeAppliance, acme: Organization, reason: str, text: str
) -> None:
    appliance.engine.answer = says(reason)
    arguments = {"to": [EMAIL, {"n": 1.5, "none": None}], "deep": {"a": [[1, 2], {}]}}
    request = action(text, action={"name": "n", "arguments": arguments}, options={"receipt": True, "explain": True})
    first = await appliance.govern(principal_of(acme), request, ONCE)
    appliance.engine.answer = says("deny")
    for number in range(3):
        appliance.clock.advance(1_000_000)
        await appliance.govern(principal_of(acme), action(f"other {number}"))
        again = await appliance.govern(principal_of(acme), request, ONCE)
        assert again.decision == first.decision
        assert msgspec.json.encode(again.decision) == msgspec.json.encode(first.decision)
        assert (first.replayed, again.replayed) == (False, True)
    assert first.decision.receipt is not None
    assert len(await decisions(appliance, acme)) == 4


async def test_another_body_under_the_same_key_is_refused(appliance: FakeAppliance, acme: Organization) -> None:
    await appliance.govern(principal_of(acme), action("x"), ONCE)
    with pytest.raises(IdempotencyKeyReused):
        await appliance.govern(principal_of(acme), action("x"), Once(key=ONCE.key, body=ONCE.body + b" "))
    assert len(await decisions(appliance, acme)) == 1


async def test_another_key_or_organization_is_another_request(appliance: FakeAppliance, acme: Organization) -> None:
    other = await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    first = await appliance.govern(principal_of(acme), action("x"), ONCE)
    second = await appliance.govern(principal_of(acme), action("x"), Once(key="request-2", body=ONCE.body))
    third = await appliance.govern(principal_of(other), action("x"), ONCE)
    assert not any(one.replayed for one in (first, second, third))
    assert len({one.decision.decision_id for one in (first, second, third)}) == 3


async def test_after_a_day_the_key_is_free(appliance: FakeAppliance, acme: Organization) -> None:
    first = await appliance.govern(principal_of(acme), action("x"), ONCE)
    appliance.clock.advance(DAY_US - 1)
    assert (await appliance.govern(principal_of(acme), action("x"), ONCE)).replayed
    appliance.clock.advance(1)
    later = await appliance.govern(principal_of(acme), action("x"), Once(key=ONCE.key, body=b"other"))
    assert not later.replayed
    assert later.decision.decision_id != first.decision.decision_id


async def test_while_the_first_request_runs_the_second_is_told_so(appliance: FakeAppliance, acme: Organization) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    original = appliance.ledger.answer

    async def slow(ledger_id: str, key: bytes, now_us: int) -> Any:
        started.set()
        await go_on.wait()
        return await original(ledger_id, key, now_us)

    appliance.ledger.answer = slow  # type: ignore[method-assign]  # the test makes it slow
    first = asyncio.create_task(appliance.govern(principal_of(acme), action("x"), ONCE))
    await started.wait()
    with pytest.raises(IdempotencyInProgress):
        await appliance.govern(principal_of(acme), action("x"), ONCE)
    go_on.set()
    assert not (await first).replayed
    assert (await appliance.govern(principal_of(acme), action("x"), ONCE)).replayed


async def test_without_redis_one_request_still_has_one_record(appliance: FakeAppliance, acme: Organization) -> None:
    appliance.running.away = True
    answers = await asyncio.gather(*(appliance.govern(principal_of(acme), action("x"), ONCE) for _ in range(20)))
    assert sum(not one.replayed for one in answers) == 1
    assert len({msgspec.json.encode(one.decision) for one in answers}) == 1
    assert len(await decisions(appliance, acme)) == 1


async def test_a_kept_answer_that_was_tampered_with_is_not_given_out(
    appliance: FakeAppliance, acme: Organization
) -> None:
    await appliance.govern(principal_of(acme), action("x"), ONCE)
    other = Once(key="request-2", body=ONCE.body)
    await appliance.govern(principal_of(acme), action("x"), other)
    answers = appliance.ledger._ledgers[str(acme.id)].answers
    (one, life), (two, _) = answers.values()
    first = next(iter(answers))
    answers[first] = (msgspec.structs.replace(one, sealed=two.sealed), life)
    with pytest.raises(Exception, match="does not open"):
        await appliance.govern(principal_of(acme), action("x"), ONCE)


async def test_approvals_are_not_known_yet_and_refused_before_anything_is_recorded(
    appliance: FakeAppliance, acme: Organization
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await appliance.govern(principal_of(acme), action("x", approval_id="a"))
    assert refused.value.faults[0].pointer == "/approval_id"
    assert await decisions(appliance, acme) == []


async def test_payloads_are_committed_to_sealed_and_hold_what_was_asked(
    appliance: FakeAppliance, acme: Organization
) -> None:
    request = action(f"I am {EMAIL}", action={"name": "n", "arguments": {"a": 1}}, purpose="support")
    await appliance.govern(principal_of(acme), request)
    (record,) = await decisions(appliance, acme)
    names = ["arguments", "content", "context", "findings"]
    committed = json.loads(record.canonical)["commitments"]
    assert sorted(committed) == names
    stream = appliance.ledger.stream(str(acme.id), record.seq, record.seq, names)
    (stored,) = [one async for one in stream]
    opened = [await open_payload(appliance.vault, acme.id, stored.record_id, one) for one in stored.payloads]
    assert commitments(tuple(opened)) == committed
    texts = {one.name: json.loads(one.text) for one in opened}
    assert texts["content"] == [{"role": "user", "text": f"I am {EMAIL}", "provenance": None}]
    assert texts["arguments"] == {"a": 1}
    assert texts["context"]["purpose"] == "support"
    assert texts["findings"][0]["type"] == "email"
    assert len({one.nonce for one in opened}) == 4
    assert not any(EMAIL.encode() in one.sealed for one in stored.payloads)


async def test_explanations_come_only_where_they_are_asked_for(appliance: FakeAppliance, acme: Organization) -> None:
    for explain in (False, True):
        request = action("x", options={"explain": explain})
        decision: Decision = (await appliance.govern(principal_of(acme), request)).decision
        assert [used.reason for used in decision.policies] == [("it is allowed" if explain else None)]


async def test_a_request_that_is_refused_leaves_no_trace(appliance: FakeAppliance, acme: Organization) -> None:
    before = await appliance.ledger.head(str(acme.id))
    with pytest.raises(InvalidRequest):
        await appliance.govern(principal_of(acme), action("x", options={"scan": ["none-such"]}), ONCE)
    assert await appliance.ledger.head(str(acme.id)) == before
    assert not (await appliance.govern(principal_of(acme), action("x"), ONCE)).replayed
