"""What a decision leaves behind: facts in the record, everything personal in payloads."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import rfc8785
from governlayer_server.domain.action import ActionRequest, Mode
from governlayer_server.domain.decision import (
    Decision,
    DeterminedBy,
    Obligation,
    Outcome,
    PolicySetUsed,
    PolicyUsed,
    Redacted,
    ScanResult,
)
from governlayer_server.domain.decision_record import action_digest, decision_body, payload_values, written
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.ledger.commitment import MAX_PAYLOAD_BYTES
from governlayer_server.domain.ledger.growth import Prepared
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.domain.risk import RiskFactors, score
from governlayer_server.domain.scan import DETECTORS, Finding, Severity
from msgspec import inspect

CANARY = "CANARY näme <x@example.org>"
NARROW = {"A-Za-z0-9._:/-": "agent.x:y/z-1", "A-Za-z0-9._:-": "type.x:y-1", "0-9a-f": "ab" * 32, "a-z0-9_.-": "label_1"}


class Filler:
    """Makes a whole request in which each text without a narrow grammar is a canary of its own."""

    def __init__(self) -> None:
        self.canaries = 0

    def text(self) -> str:
        self.canaries += 1
        return f"{CANARY} {self.canaries}"

    def fill(self, kind: inspect.Type) -> Any:
        kind = next(one for one in self.alternatives(kind) if not isinstance(one, inspect.NoneType))
        if isinstance(kind, inspect.StructType):
            return {one.encode_name: self.fill(one.type) for one in kind.fields if one.name != "options"}
        if isinstance(kind, inspect.ListType):
            return [self.fill(kind.item_type), self.fill(kind.item_type)]
        if isinstance(kind, inspect.DictType):
            return {self.text(): self.fill(kind.value_type), self.text(): self.fill(kind.value_type)}
        return self.scalar(kind)

    def scalar(self, kind: inspect.Type) -> Any:
        if isinstance(kind, inspect.EnumType):
            return list(kind.cls)[-1].value
        if isinstance(kind, inspect.CustomType) and kind.cls is object:
            return {self.text(): [self.text(), {self.text(): self.text()}]}
        assert isinstance(kind, inspect.StrType), f"teach the filler about {kind}"
        if kind.pattern is None:
            return self.text()
        return next(text for mark, text in NARROW.items() if f"[{mark}]" in str(kind.pattern))

    def alternatives(self, kind: inspect.Type) -> list[inspect.Type]:
        """The types that *kind* admits, texts first."""
        if isinstance(kind, inspect.Metadata):
            return self.alternatives(kind.type)
        kinds = list(kind.types) if isinstance(kind, inspect.UnionType) else [kind]
        plain = [one.type if isinstance(one, inspect.Metadata) else one for one in kinds]
        return sorted(plain, key=lambda one: not isinstance(one, inspect.StrType))


def full_request() -> tuple[dict[str, Any], int]:
    filler = Filler()
    value = filler.fill(inspect.type_info(ActionRequest))
    value["resource"]["attributes"] = {filler.text(): filler.text(), filler.text(): 1}
    return value, filler.canaries


def finding(detector: str = "email", **values: Any) -> Finding:
    made: dict[str, Any] = {
        "detector": detector, "version": "1", "type": "email", "severity": Severity.HIGH, "confidence": 90,
        "start": 0, "end": 3, "rule_id": "email.plain", **values,
    }  # fmt: skip
    return Finding(**made)


def decision(request: ActionRequest, **values: Any) -> Decision:
    made: dict[str, Any] = {
        "decision_id": "0198c5c0-7f00-7000-8000-000000000001", "decision": Outcome.REDACT, "enforced": True,
        "mode": Mode.ENFORCE, "reason_code": "code", "reason": CANARY, "determined_by": DeterminedBy.POLICY,
        "policies": (PolicyUsed(id="p", version=1, effect="permit", outcome=Outcome.REDACT, reason=CANARY),),
        "policy_set": PolicySetUsed(version=1, hash="ab" * 32),
        "obligations": (Obligation(type="notify", target=CANARY, params={"to": CANARY}),),
        "risk": score(RiskFactors()), "scan": ScanResult(findings=(finding(pointer=f"/{CANARY}"),)),
        "action_digest": action_digest(request), "timings_us": {"scan": 1},
        "redacted": Redacted(content=list(request.content), arguments=request.action.arguments), **values,
    }  # fmt: skip
    return Decision(**made)


def canonical(request: ActionRequest, answer: Decision) -> bytes:
    draft = Draft(
        type="decision",
        actor=Actor(id="0198c5c0-7f00-7000-8000-000000000001", kind=ActorKind.API_KEY),
        body=decision_body(request, answer),
        commitments=dict.fromkeys(written(payload_values(request, answer)), "ab" * 32),
    )
    return Prepared(draft).at(2**53 - 1, bytes(32), b"2026-11-23T18:00:00.000001Z")


def test_no_free_text_of_the_question_or_the_answer_stands_in_the_record() -> None:
    value, canaries = full_request()
    request = msgspec.convert(value, ActionRequest)
    assert canaries >= 20
    record = canonical(request, decision(request))
    assert b"CANARY" not in record
    assert "näme".encode() not in record
    body = json.loads(record)["body"]
    assert (body["agent"], body["action"], body["tool"]) == (NARROW["A-Za-z0-9._:/-"],) * 3
    assert body["resource_type"] == NARROW["A-Za-z0-9._:-"]


def test_every_free_text_of_the_question_stands_in_a_payload() -> None:
    value, _ = full_request()
    request = msgspec.convert(value, ActionRequest)
    given = {text for text in leaves(value) if isinstance(text, str) and CANARY in text}
    texts = written(payload_values(request, decision(request)))
    kept = {text for payload in texts.values() for text in leaves(json.loads(payload)) if isinstance(text, str)}
    assert given - kept == {value["approval_id"]}, "an approval's id is refused before anything is recorded"
    assert set(texts) == {"arguments", "content", "context", "findings"}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from leaves(member)
    elif isinstance(value, list):
        for member in value:
            yield from leaves(member)
    else:
        yield value


@pytest.mark.parametrize("member", ["reason", "redacted", "timings_us", "receipt", "action_digest"])
def test_members_of_the_answer_that_may_hold_content_are_not_in_the_body(member: str) -> None:
    value, _ = full_request()
    request = msgspec.convert(value, ActionRequest)
    answer = decision(request)
    found = list(leaves(json.loads(canonical(request, answer))["body"]))
    assert member not in found
    assert answer.action_digest not in found


def test_the_largest_decision_fits_into_a_record() -> None:
    longest = "x" * 128
    request = msgspec.convert(
        {
            "stage": "model_response",
            "agent": {"id": longest},
            "action": {"name": longest, "tool": {"name": longest}, "arguments": {"a": 1}},
            "resource": {"type": longest, "id": "i"},
            "content": [{"role": "user", "text": "x"}],
        },
        ActionRequest,
    )
    types = {(detector.id, f"{detector.id}_{number}") for detector in DETECTORS.values() for number in range(2)}
    answer = decision(
        request,
        reason_code=longest,
        policies=tuple(
            PolicyUsed(id=longest, version=2**31, effect="forbid", outcome=Outcome.REQUIRE_APPROVAL) for _ in range(40)
        ),
        scan=ScanResult(
            findings=tuple(
                finding(detector, type=kind, severity=severity) for detector, kind in types for severity in Severity
            )
        ),
    )
    body = json.loads(canonical(request, answer))["body"]
    assert (len(body["policies"]), body["policies_count"]) == (32, 40)


def test_the_body_counts_findings_by_kind() -> None:
    request = msgspec.convert({"stage": "input", "agent": {"id": "a"}, "action": {"name": "n"}}, ActionRequest)
    found = (finding(), finding(start=5), finding(severity=Severity.LOW), finding("iban", type="iban"))
    body = decision_body(request, decision(request, scan=ScanResult(findings=found)))
    assert body["findings"] == [
        {"count": 2, "detector": "email", "severity": "high", "type": "email"},
        {"count": 1, "detector": "email", "severity": "low", "type": "email"},
        {"count": 1, "detector": "iban", "severity": "high", "type": "iban"},
    ]


def test_a_payload_longer_than_a_mebibyte_is_refused() -> None:
    value = {"stage": "input", "agent": {"id": "a"}, "action": {"name": "n"}}
    for length, refused in ((MAX_PAYLOAD_BYTES - 100, False), (MAX_PAYLOAD_BYTES, True)):
        content = [{"role": "user", "text": "x" * length}]
        request = msgspec.convert({**value, "content": content}, ActionRequest)
        answer = decision(request, redacted=None)
        if refused:
            with pytest.raises(InvalidRequest, match="content"):
                written(payload_values(request, answer))
        else:
            assert len(written(payload_values(request, answer))["content"]) > length


def test_the_digest_is_that_of_the_action_in_rfc_8785_form() -> None:
    value, _ = full_request()
    request = msgspec.convert(value, ActionRequest)
    builtins = msgspec.to_builtins(request)
    bound = {
        "action": builtins["action"],
        "agent": builtins["agent"]["id"],
        "content": builtins["content"],
        "resource": builtins["resource"],
        "stage": builtins["stage"],
    }
    assert action_digest(request) == sha256(rfc8785.dumps(bound)).hexdigest()


def test_the_digest_changes_with_each_part_of_the_action_and_with_nothing_else() -> None:
    value: dict[str, Any] = {
        "stage": "tool_call",
        "agent": {"id": "a", "instance": "i"},
        "action": {"name": "n", "tool": {"name": "t"}, "arguments": {"a": [1, {"b": 2}]}},
        "resource": {"type": "t", "id": "i", "attributes": {"x": 1}},
        "content": [{"role": "user", "text": "x"}],
        "purpose": "p",
    }
    same = action_digest(msgspec.convert(value, ActionRequest))
    other: list[dict[str, Any]] = [
        {"stage": "input"},
        {"agent": {"id": "b"}},
        {"action": {**value["action"], "name": "m"}},
        {"action": {**value["action"], "tool": {"name": "u"}}},
        {"action": {**value["action"], "arguments": {"a": [1, {"b": 3}]}}},
        {"resource": {**value["resource"], "id": "j"}},
        {"resource": {**value["resource"], "attributes": {"x": 2}}},
        {"content": [{"role": "user", "text": "y"}]},
        {"content": []},
    ]
    digests = {action_digest(msgspec.convert({**value, **change}, ActionRequest)) for change in other}
    assert len(digests | {same}) == len(other) + 1
    for change in ({"purpose": "q"}, {"agent": {"id": "a", "instance": "j"}}, {"session": {"id": "s"}}):
        assert action_digest(msgspec.convert({**value, **change}, ActionRequest)) == same


def test_a_request_and_its_parts_show_no_values() -> None:
    value, _ = full_request()
    request = msgspec.convert(value, ActionRequest)
    shown = [repr(request), repr(request.action), repr(request.content[0]), repr(request.agent), repr(request.resource)]
    assert not any("CANARY" in text for text in shown)
    assert "CANARY" not in repr(decision(request))
