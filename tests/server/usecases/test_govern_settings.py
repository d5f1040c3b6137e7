"""What an organization's settings do to decisions and to what is stored of them."""

import json
from typing import Any

import pytest
from governlayer_server.domain import stored_payloads
from governlayer_server.domain.decision import DeterminedBy, Outcome
from governlayer_server.domain.organization import DefaultDecision, Organization, StorePayloads
from governlayer_server.domain.policy import EngineAnswer
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.govern import Once

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.policy_engine import says

EMAIL, CARD, SECRET = "ann@example.org", "4111 1111 1111 1111", "ghp_x7Qm2LpR9tVb4NcK8wZs1YhF6dGj3XeAu5To"
ASKING = {"default_decision": DefaultDecision.REQUIRE_APPROVAL}


async def payloads(appliance: FakeAppliance, acme: Organization) -> dict[str, Any]:
    """What the newest decision of the dump discloses, by name; each must fit its commitment."""
    names = ["arguments", "content", "context", "findings"]
    lines = [json.loads(line) for line in (await appliance.dump(acme.id, names=names)).splitlines()]
    seq = max(line["seq"] for line in lines if line.get("type") == "decision")
    disclosed = [line["payload"] for line in lines if "payload" in line]
    return {one["name"]: json.loads(one["text"]) for one in disclosed if one["seq"] == seq}


async def commitments(appliance: FakeAppliance, acme: Organization) -> set[str]:
    found = await appliance.ledger.records(str(acme.id), -1, 100, RecordFilter(type="decision"))
    return set(json.loads(found[-1].canonical)["commitments"])


async def test_what_no_policy_permits_needs_approval_where_the_organization_wants_so(
    appliance: FakeAppliance, acme: Organization
) -> None:
    appliance.engine.answer = says()
    decision = (await appliance.govern(principal_of(acme, **ASKING), action("x"))).decision
    assert (decision.decision, decision.determined_by) == (Outcome.REQUIRE_APPROVAL, DeterminedBy.DEFAULT)
    assert decision.reason_code == "no_policy_permits"
    denied = (await appliance.govern(principal_of(acme), action("x"))).decision
    assert (denied.decision, denied.reason_code) == (Outcome.DENY, "no_policy_permits")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (says("deny"), Outcome.DENY),
        (says("deny", "approve"), Outcome.DENY),
        (says("approve"), Outcome.REQUIRE_APPROVAL),
        (says("allow"), Outcome.ALLOW),
        (says("redact"), Outcome.REDACT),
        (EngineAnswer(permitted=False, reasons=(), failed=True), Outcome.DENY),
        (EngineAnswer(permitted=True, reasons=()), Outcome.DENY),
        (EngineAnswer(permitted=False, reasons=("unknown",)), Outcome.DENY),
        (ValueError("x"), Outcome.DENY),
    ],
    ids=str,
)
async def test_the_default_changes_no_ruling_of_a_policy_and_no_failure(
    appliance: FakeAppliance, acme: Organization, answer: EngineAnswer | Exception, outcome: Outcome
) -> None:
    appliance.engine.answer = answer
    asked = action(f"I am {EMAIL}")
    with_default = (await appliance.govern(principal_of(acme, **ASKING), asked)).decision
    without = (await appliance.govern(principal_of(acme), asked)).decision
    assert (with_default.decision, without.decision) == (outcome, outcome)
    assert (with_default.reason_code, with_default.determined_by) == (without.reason_code, without.determined_by)


async def test_more_findings_than_can_be_listed_stay_a_deny(appliance: FakeAppliance, acme: Organization) -> None:
    appliance.engine.answer = says()
    many = action(" ".join(f"a{number}@example.org" for number in range(1_001)))
    decision = (await appliance.govern(principal_of(acme, **ASKING), many)).decision
    assert (decision.decision, decision.reason_code) == (Outcome.DENY, "too_many_findings")


async def test_nothing_is_stored_where_the_organization_stores_nothing(
    appliance: FakeAppliance, acme: Organization
) -> None:
    once = Once(key="k", body=b"b")
    principal = principal_of(acme, store_payloads=StorePayloads.NONE)
    first = await appliance.govern(principal, action(f"I am {EMAIL}"), once)
    assert await commitments(appliance, acme) == set()
    assert await payloads(appliance, acme) == {}
    assert (await appliance.govern(principal, action(f"I am {EMAIL}"), once)).decision == first.decision


@pytest.mark.parametrize("scan", ["auto", "none", ["payment_card"]])
@pytest.mark.parametrize("reason", ["allow", "deny"])
async def test_all_that_any_detector_finds_is_replaced_before_it_is_stored(
    appliance: FakeAppliance, acme: Organization, scan: object, reason: str
) -> None:
    appliance.engine.answer = says(reason)
    asked = action(
        f"I am {EMAIL}, card {CARD}",
        stage="tool_call",
        action={"name": "mail.write", "arguments": {"to": EMAIL, EMAIL: {"deep": [SECRET]}, "plain": "kept"}},
        purpose=f"answer {EMAIL}",
        data_subjects=[EMAIL],
        options={"scan": scan},
    )
    await appliance.govern(principal_of(acme, store_payloads=StorePayloads.REDACTED), asked)
    stored = await payloads(appliance, acme)
    assert await commitments(appliance, acme) == set(stored)
    assert {"content", "arguments", "context"} <= set(stored)
    for canary in (EMAIL, CARD, SECRET):
        assert canary not in json.dumps(stored)
    assert stored["content"][0]["text"].startswith("I am [EMAIL]")
    assert (stored["arguments"]["to"], stored["arguments"]["plain"]) == ("[EMAIL]", "kept")
    assert stored["context"]["purpose"] == "answer [EMAIL]"
    assert "action_digest" not in stored["context"]
    await appliance.govern(principal_of(acme), asked)
    assert EMAIL in json.dumps(await payloads(appliance, acme))


@pytest.mark.parametrize("failing", ["find", "redact_action"])
async def test_what_cannot_be_redacted_is_not_stored_and_the_decision_is_recorded(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        if failing == "find":
            raise ValueError("broken")

    monkeypatch.setattr(stored_payloads, failing, fail)
    asked = action(f"I am {EMAIL}", action={"name": "n", "arguments": {"to": EMAIL}})
    principal = principal_of(acme, store_payloads=StorePayloads.REDACTED)
    decision = (await appliance.govern(principal, asked)).decision
    assert decision.decision is Outcome.ALLOW
    assert await commitments(appliance, acme) == {"findings"}


async def test_one_payload_that_cannot_be_redacted_keeps_no_other_from_being_stored(
    appliance: FakeAppliance, acme: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stored_payloads.redact_action
    monkeypatch.setattr(
        stored_payloads, "redact_action", lambda asked, *more: None if asked.content else real(asked, *more)
    )
    asked = action(f"I am {EMAIL}", action={"name": "n", "arguments": {"to": EMAIL}})
    await appliance.govern(principal_of(acme, store_payloads=StorePayloads.REDACTED), asked)
    assert await commitments(appliance, acme) == {"arguments", "context", "findings"}


async def test_long_texts_are_redacted_too(appliance: FakeAppliance, acme: Organization) -> None:
    principal = principal_of(acme, store_payloads=StorePayloads.REDACTED)
    await appliance.govern(principal, action("x " * 5_000 + EMAIL))
    assert (await payloads(appliance, acme))["content"][0]["text"].endswith("x [EMAIL]")
