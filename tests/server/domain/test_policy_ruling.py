"""What the engine's answer means: the whole table."""

from itertools import product

import pytest
from governlayer_server.domain.decision import DeterminedBy, Outcome
from governlayer_server.domain.policy import (
    EVALUATION_FAILED,
    NO_POLICY,
    EngineAnswer,
    PolicySet,
    Rule,
    rule_on,
)


def rule(name: str, *obligations: tuple[str, str], permits: bool, outcome: Outcome) -> Rule:
    return Rule(
        id=name, permits=permits, outcome=outcome, obligations=obligations, code=f"code_{name}", reason=f"reason {name}"
    )


RULES = {
    one.id: one
    for one in (
        rule("allow", permits=True, outcome=Outcome.ALLOW),
        rule("allow2", ("notify", "audit"), permits=True, outcome=Outcome.ALLOW),
        rule("redact", ("redact", "personal_data"), permits=True, outcome=Outcome.REDACT),
        rule("redact2", ("redact", "secret"), ("notify", "security"), permits=True, outcome=Outcome.REDACT),
        rule("deny", permits=False, outcome=Outcome.DENY),
        rule("approve", permits=False, outcome=Outcome.REQUIRE_APPROVAL),
        rule("approve2", ("notify", "boss"), permits=False, outcome=Outcome.REQUIRE_APPROVAL),
    )
}
SET = PolicySet(version=3, hash="cd" * 32, rules=RULES)


def answer(*reasons: str, permitted: bool, failed: bool = False) -> EngineAnswer:
    return EngineAnswer(permitted=permitted, reasons=reasons, failed=failed)


@pytest.mark.parametrize(
    ("reasons", "permitted", "outcome", "code"),
    [
        (("allow",), True, Outcome.ALLOW, "code_allow"),
        (("allow", "allow2"), True, Outcome.ALLOW, "code_allow"),
        (("allow", "redact"), True, Outcome.REDACT, "code_redact"),
        (("redact", "allow"), True, Outcome.REDACT, "code_redact"),
        (("redact2", "redact"), True, Outcome.REDACT, "code_redact2"),
        (("deny",), False, Outcome.DENY, "code_deny"),
        (("approve",), False, Outcome.REQUIRE_APPROVAL, "code_approve"),
        (("approve2", "approve"), False, Outcome.REQUIRE_APPROVAL, "code_approve2"),
        (("approve", "deny"), False, Outcome.DENY, "code_deny"),
        (("deny", "approve"), False, Outcome.DENY, "code_deny"),
        (("approve", "approve2", "deny"), False, Outcome.DENY, "code_deny"),
    ],
)
def test_policies_determine_the_outcome(reasons: tuple[str, ...], permitted: bool, outcome: Outcome, code: str) -> None:
    ruling = rule_on(answer(*reasons, permitted=permitted), SET)
    assert (ruling.outcome, ruling.code, ruling.determined_by) == (outcome, code, DeterminedBy.POLICY)
    assert ruling.reason == code.replace("code_", "reason ")
    assert tuple(one.id for one in ruling.rules) == reasons


def test_no_policy_is_deny_by_default() -> None:
    ruling = rule_on(answer(permitted=False), SET)
    assert ruling == NO_POLICY
    assert (ruling.outcome, ruling.determined_by, ruling.code) == (
        Outcome.DENY,
        DeterminedBy.DEFAULT,
        "no_policy_permits",
    )


@pytest.mark.parametrize("permitted", [True, False])
@pytest.mark.parametrize("reasons", [(), ("allow",), ("deny",), ("allow", "redact"), ("approve",)])
def test_whatever_failed_is_denied(reasons: tuple[str, ...], permitted: bool) -> None:
    assert rule_on(answer(*reasons, permitted=permitted, failed=True), SET) == EVALUATION_FAILED


def test_a_permission_by_nobody_or_by_an_unknown_policy_is_denied() -> None:
    assert rule_on(answer(permitted=True), SET) == EVALUATION_FAILED
    assert rule_on(answer("unknown", permitted=True), SET) == EVALUATION_FAILED
    assert rule_on(answer("allow", "unknown", permitted=True), SET) == EVALUATION_FAILED
    assert rule_on(answer("unknown", permitted=False), SET) == EVALUATION_FAILED


@pytest.mark.parametrize("permitted", [True, False])
def test_an_answer_that_rests_on_policies_of_the_other_effect_is_denied(permitted: bool) -> None:
    against = ("deny", "approve") if permitted else ("allow", "redact")
    with_it = "allow" if permitted else "approve"
    for reasons in ((against[0],), (against[1],), (with_it, against[0]), (against[1], with_it)):
        assert rule_on(answer(*reasons, permitted=permitted), SET) == EVALUATION_FAILED


def test_no_combination_of_reasons_lets_a_refusal_through() -> None:
    for count in range(4):
        for reasons in product([*RULES, "unknown"], repeat=count):
            for failed in (True, False):
                ruling = rule_on(answer(*reasons, permitted=False, failed=failed), SET)
                assert ruling.outcome in {Outcome.DENY, Outcome.REQUIRE_APPROVAL}
                assert ruling.redact_families == frozenset()
                assert failed <= (ruling == EVALUATION_FAILED)


def test_obligations_of_all_policies_come_together() -> None:
    ruling = rule_on(answer("allow2", "redact", "redact2", permitted=True), SET)
    assert ruling.redact_families == {"personal_data", "secret"}
    assert [(one.type, one.target, one.params) for one in ruling.obligations] == [
        ("notify", "", {"to": "audit"}),
        ("notify", "", {"to": "security"}),
    ]


def test_policies_are_named_with_their_reason_only_where_it_was_asked_for() -> None:
    ruling = rule_on(answer("approve2", "deny", permitted=False), SET)
    plain, explained = ruling.policies(3, explain=False), ruling.policies(3, explain=True)
    assert [(one.id, one.version, one.effect, one.outcome.value, one.reason) for one in plain] == [
        ("approve2", 3, "forbid", "require_approval", None),
        ("deny", 3, "forbid", "deny", None),
    ]
    assert [one.reason for one in explained] == ["reason approve2", "reason deny"]
