"""From a question to the factors of glrs-1, and to the question for the engine."""

from typing import Any

import msgspec
import pytest
from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.factors import count_by_family, count_sure, risk_factors
from governlayer_server.domain.policy import question
from governlayer_server.domain.risk import score
from governlayer_server.domain.scan import DETECTORS, Finding, Severity

PERSONAL, SECRET, INJECTION = (
    next(name for name, detector in DETECTORS.items() if detector.family == family)
    for family in ("personal_data", "secret", "injection")
)


def request(stage: str = "tool_call", name: str = "crm.read", **members: Any) -> ActionRequest:
    value = {"stage": stage, "agent": {"id": "a"}, "action": {"name": name, **members.pop("action", {})}, **members}
    return msgspec.convert(value, ActionRequest)


def finding(detector: str, severity: Severity = Severity.LOW, confidence: int = 90) -> Finding:
    return Finding(
        detector=detector,
        version="1",
        type="some_type",
        severity=severity,
        confidence=confidence,
        start=0,
        end=1,
        content_index=0,
        rule_id="r",
    )


@pytest.mark.parametrize(
    ("members", "factor", "expected"),
    [
        ({"name": "crm.read"}, "reversibility", "full"),
        ({"name": "crm.customer_update"}, "reversibility", "partial"),
        ({"name": "crm:customer/DELETE"}, "reversibility", "none"),
        ({"name": "crm.undelete"}, "reversibility", "none"),
        ({"name": "x", "action": {"tool": {"name": "shell.run"}}}, "reversibility", "none"),
        ({"name": "crm.delete", "stage": "input"}, "reversibility", "full"),
        ({"name": "mail.send"}, "scope", "external"),
        ({"name": "mail.read"}, "scope", "external"),
        ({"name": "crm.read"}, "scope", "record"),
        ({"name": "mail.send", "stage": "output"}, "scope", "record"),
        ({}, "data", "none"),
        ({"data_classes": ["internal"]}, "data", "internal"),
        ({"data_classes": ["personal", "internal"]}, "data", "personal"),
        ({"data_subjects": ["somebody"]}, "data", "personal"),
        ({"data_classes": ["health", "personal"]}, "data", "special"),
        ({"action": {"tool": {"name": "t"}}}, "unknown_tool", True),
        ({"action": {"tool": {"name": "t", "schema_digest": "ab" * 32}}}, "unknown_tool", True),
        ({}, "unknown_tool", False),
        ({"stage": "tool_result"}, "untrusted_content", True),
        ({"content": [{"role": "user", "text": "x", "provenance": "web"}]}, "untrusted_content", True),
        ({"content": [{"role": "user", "text": "x", "provenance": "user"}]}, "untrusted_content", False),
        ({"stage": "tool_call"}, "agent_factor_tenths", 35),
        ({"stage": "input"}, "agent_factor_tenths", 15),
        ({"resource": {"type": "t", "id": "i", "attributes": {"reversibility": "none"}}}, "reversibility", "none"),
        ({"resource": {"type": "t", "id": "i", "attributes": {"scope": "tenant"}}}, "scope", "tenant"),
        ({"resource": {"type": "t", "id": "i", "attributes": {"rights": "high"}}}, "rights", "high"),
        ({"resource": {"type": "t", "id": "i", "attributes": {"value": "hard"}}}, "value", "hard"),
    ],
)
def test_a_fact_of_the_question_sets_its_factor(members: dict[str, Any], factor: str, expected: object) -> None:
    assert getattr(risk_factors(request(**members), ()), factor) == expected


@pytest.mark.parametrize("attribute", ["reversibility", "scope", "rights", "value"])
@pytest.mark.parametrize("value", ["", "NONE", "other", 1, True])
def test_a_declared_factor_that_the_method_does_not_know_is_refused(attribute: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        risk_factors(request(resource={"type": "t", "id": "i", "attributes": {attribute: value}}), ())
    assert [fault.pointer for fault in refused.value.faults] == [f"/resource/attributes/{attribute}"]


@pytest.mark.parametrize(
    ("findings", "data", "injection"),
    [
        ((), "none", "clean"),
        ((finding(PERSONAL),), "personal", "clean"),
        ((finding(PERSONAL, confidence=49),), "none", "clean"),
        ((finding(PERSONAL, confidence=50),), "personal", "clean"),
        ((finding(SECRET), finding(PERSONAL)), "special", "clean"),
        ((finding(INJECTION),), "none", "clean"),
        ((finding(INJECTION, Severity.MEDIUM),), "none", "suspicious"),
        ((finding(INJECTION, Severity.HIGH),), "none", "likely"),
        ((finding(INJECTION, Severity.CRITICAL),), "none", "likely"),
        ((finding(INJECTION), finding(INJECTION, Severity.HIGH)), "none", "likely"),
        ((finding(PERSONAL, Severity.CRITICAL),), "personal", "clean"),
    ],
)
def test_findings_set_data_and_injection(findings: tuple[Finding, ...], data: str, injection: str) -> None:
    factors = risk_factors(request(), findings)
    assert (factors.data, factors.injection) == (data, injection)


def test_findings_are_counted_by_family_where_they_are_sure() -> None:
    found = [finding(PERSONAL), finding(PERSONAL), finding(SECRET), finding(INJECTION, confidence=20)]
    assert count_by_family(found) == {"personal_data": 2, "secret": 1, "injection": 0}


@pytest.mark.parametrize(
    ("confidence", "counted", "sure"), [(49, 0, 0), (50, 1, 0), (79, 1, 0), (80, 1, 1), (100, 1, 1)]
)
def test_a_finding_counts_from_50_percent_and_is_sure_from_80(confidence: int, counted: int, sure: int) -> None:
    found = [finding(SECRET, confidence=confidence)]
    assert (count_by_family(found)["secret"], count_sure(found, "secret")) == (counted, sure)
    assert count_sure(found, "personal_data") == 0


def test_the_engine_is_asked_with_facts_and_never_with_texts() -> None:
    asked = request(
        content=[{"role": "user", "text": "CANARY"}],
        action={"arguments": {"CANARY": "CANARY"}, "tool": {"name": "t"}},
        data_subjects=["CANARY"],
        purpose="CANARY",
        session={"id": "CANARY"},
        system={"id": "s", "version": "CANARY"},
        resource={"type": "t", "id": "i", "attributes": {"big": True, "count": 7, "env": "prod"}},
    )
    found = (finding(PERSONAL, Severity.HIGH), finding(SECRET))
    factors = risk_factors(asked, found)
    put = question(asked, factors, found, score(factors))
    assert "CANARY" not in repr(put)
    assert put.resource_attributes == {"big": "true", "count": "7", "env": "prod"}
    assert put.context["findings"] == {
        "injection": 0,
        "personal_data": 1,
        "secret": 1,
        "secret_sure": 1,
        "severity": "high",
        "types": ["some_type"],
    }
    assert (put.context["tool"], put.context["system"], put.context["scanned"]) == ("t", "s", True)


def test_a_question_without_resource_tool_and_system_leaves_them_out() -> None:
    asked = request("input", options={"scan": "none"})
    factors = risk_factors(asked, ())
    put = question(asked, factors, (), score(factors))
    assert {"tool", "system"}.isdisjoint(put.context)
    assert (put.resource_type, put.resource_id, put.resource_attributes) == ("none", "none", {})
    assert put.context["scanned"] is False
