"""Cedar through the adapter: what it refuses to load, and what it answers."""

from typing import Any

import msgspec
import pytest
from governlayer_server.adapters.cedar.engine import CedarEngine, parse_policies
from governlayer_server.domain.action import ActionRequest, Stage
from governlayer_server.domain.decision import Outcome
from governlayer_server.domain.errors import PolicyError
from governlayer_server.domain.policy import EngineAnswer, Question, rule_on
from governlayer_server.domain.policy import question as put_question
from governlayer_server.domain.risk import RiskFactors, score
from governlayer_server.policies import DEFAULT, SCHEMA

PERMIT_ALL = '@id("all") permit (principal, action, resource);\n'
REQUEST = msgspec.convert({"stage": "input", "agent": {"id": "a"}, "action": {"name": "crm.read"}}, ActionRequest)
CONTEXT = dict(put_question(REQUEST, RiskFactors(), (), score(RiskFactors())).context)
FINDINGS: dict[str, Any] = dict(CONTEXT["findings"])  # type: ignore[call-overload]  # it is a mapping


def question(stage: str = "input", attributes: dict[str, str] | None = None, **context: Any) -> Question:
    return Question(
        agent_id="agent-1",
        stage=stage,
        resource_type="record",
        resource_id='odd "id" \\ é',
        resource_attributes=attributes or {},
        context={**CONTEXT, **context},
    )


def engine(text: str) -> CedarEngine:
    return CedarEngine(parse_policies(text, SCHEMA), 5)


@pytest.fixture(scope="module")
def default() -> CedarEngine:
    return engine(DEFAULT)


def test_the_default_policies_parse_and_name_every_rule(default: CedarEngine) -> None:
    rules = default.policy_set.rules
    assert len(rules) == DEFAULT.count('@id("')
    assert all(rule.id == name and rule.reason and rule.code for name, rule in rules.items())
    assert default.policy_set.version == 5
    assert {rule.outcome for rule in rules.values()} == set(Outcome)


@pytest.mark.parametrize(
    ("stage", "context", "outcome", "code"),
    [
        ("input", {}, Outcome.ALLOW, "conversation"),
        ("tool_call", {}, Outcome.ALLOW, "tool_reads"),
        ("tool_call", {"reversibility": "partial"}, Outcome.ALLOW, "tool_risk_moderate"),
        ("tool_call", {"scanned": False}, Outcome.DENY, "not_scanned"),
        ("tool_call", {"reversibility": "none"}, Outcome.REQUIRE_APPROVAL, "action_is_final"),
        ("tool_call", {"reversibility": "none", "approved": True}, Outcome.ALLOW, "tool_approved"),
        ("tool_call", {"reversibility": "partial", "risk": {"level": "high", "score": 70}}, Outcome.DENY, "no_policy_permits"),
        ("model_request", {"findings": {**FINDINGS, "personal_data": 1}}, Outcome.REDACT, "personal_data_redacted"),
        ("tool_result", {"findings": {**FINDINGS, "secret": 1}}, Outcome.REDACT, "secret_redacted"),
        ("output", {"findings": {**FINDINGS, "secret": 1}}, Outcome.REDACT, "secret_redacted"),
        ("output", {"findings": {**FINDINGS, "secret": 1, "secret_sure": 1}}, Outcome.DENY, "secret_in_content"),
        ("input", {"injection": "likely"}, Outcome.DENY, "prompt_injection"),
        ("input", {"risk": {"level": "critical", "score": 90}}, Outcome.DENY, "risk_critical"),
        ("tool_call", {"scope": "external", "findings": {**FINDINGS, "personal_data": 1}}, Outcome.REQUIRE_APPROVAL, "data_leaves"),
        ("tool_call", {"scope": "external", "findings": {**FINDINGS, "secret": 1, "secret_sure": 1}}, Outcome.DENY, "secret_in_content"),
    ],
)  # fmt: skip
def test_the_default_policies_decide(
    default: CedarEngine, stage: str, context: dict[str, Any], outcome: Outcome, code: str
) -> None:
    ruling = rule_on(default.evaluate(question(stage, **context)), default.policy_set)
    assert (ruling.outcome, ruling.code) == (outcome, code)


@pytest.mark.parametrize("stage", Stage)
def test_what_was_not_scanned_is_refused_at_every_stage(default: CedarEngine, stage: Stage) -> None:
    contexts: list[dict[str, Any]] = [{}, {"approved": True}, {"findings": {**FINDINGS, "personal_data": 1}}]
    for context in contexts:
        answer = default.evaluate(question(stage.value, scanned=False, **context))
        assert rule_on(answer, default.policy_set).outcome is Outcome.DENY
        assert "unscanned-content-is-refused" in answer.reasons


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_is_known_to_the_schema(default: CedarEngine, stage: Stage) -> None:
    assert not default.evaluate(question(stage.value)).failed


def test_a_set_without_a_matching_permit_permits_nothing() -> None:
    other = '@id("other") permit (principal, action == GovernLayer::Action::"output", resource);'
    assert engine(other).evaluate(question("input")) == EngineAnswer(permitted=False, reasons=())


def test_resource_attributes_are_tags() -> None:
    tagged = engine(
        '@id("prod") forbid (principal, action, resource) '
        'when { resource.hasTag("env") && resource.getTag("env") == "prod" };' + PERMIT_ALL
    )
    assert tagged.evaluate(question(attributes={"env": "prod"})).reasons == ("prod",)
    assert tagged.evaluate(question(attributes={"env": "test"})).reasons == ("all",)
    assert tagged.evaluate(question()).reasons == ("all",)


def test_a_forbid_that_breaks_while_it_is_evaluated_fails_the_whole_answer() -> None:
    broken = engine(
        PERMIT_ALL + '@id("broken") forbid (principal, action, resource) '
        "when { context.risk.score + 9223372036854775807 > 0 };"
    )
    assert broken.evaluate(question(risk={"level": "low", "score": 1})).failed
    assert not broken.evaluate(question(risk={"level": "low", "score": 0})).failed


def test_a_permit_that_breaks_beside_a_permit_that_holds_fails_the_whole_answer() -> None:
    broken = engine(
        PERMIT_ALL + '@id("broken") permit (principal, action, resource) '
        "when { context.risk.score + 9223372036854775807 > 0 };"
    )
    assert rule_on(broken.evaluate(question(risk={"level": "low", "score": 1})), broken.policy_set).code == (
        "evaluation_failed"
    )


@pytest.mark.parametrize(
    "context",
    [
        {"unknown": 1},
        {"approved": "yes"},
        {"risk": {"level": "low"}},
        {"risk": {"level": "low", "score": "1"}},
        {"findings": {}},
        {"data_classes": "x"},
        {"action": None},
        {"risk": {"level": "low", "score": 2**63}},
        {"risk": {"level": "low", "score": 1.5}},
    ],
)
def test_a_context_outside_the_schema_fails(context: dict[str, Any]) -> None:
    assert engine(PERMIT_ALL).evaluate(question(**context)).failed


@pytest.mark.parametrize("stage", ["", "other", 'input"', "INPUT"])
def test_a_stage_outside_the_schema_fails(stage: str) -> None:
    assert engine(PERMIT_ALL).evaluate(question(stage)).failed


@pytest.mark.parametrize("name", ["__extn", "__entity", "__expr", "__anything", "__"])
def test_attribute_names_reserved_by_cedar_fail(name: str) -> None:
    assert engine(PERMIT_ALL).evaluate(question(attributes={name: "x"})) == EngineAnswer(
        permitted=False, reasons=(), failed=True
    )


@pytest.mark.parametrize("name", ["_x", "x__extn", "", " ", 'quo"te', "é", "a.b", "__Extn".lstrip("_")])
def test_other_attribute_names_are_only_names(name: str) -> None:
    assert not engine(PERMIT_ALL).evaluate(question(attributes={name: '{"__entity":{"type":"A","id":"b"}}'})).failed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("permit (principal, action, resource)", "unexpected"),
        ("permit (principal, action, resource);", "needs an @id"),
        ('@id("") permit (principal, action, resource);', "needs an @id"),
        (PERMIT_ALL + PERMIT_ALL, "@id must be unique: all"),
        ("", "there is no policy in it"),
        ("// only a comment", "there is no policy in it"),
        ('@id("a") @outcom("require_approval") forbid (principal, action, resource);', "unknown annotation @outcom"),
        ('@id("a") @outcome("deny") permit (principal, action, resource);', "@outcome of a permit"),
        ('@id("a") @outcome("allow") forbid (principal, action, resource);', "@outcome of a forbid"),
        ('@id("a") @outcome("redact") forbid (principal, action, resource);', "@outcome of a forbid"),
        ('@id("a") @outcome("ALLOW") permit (principal, action, resource);', "@outcome of a permit"),
        ('@id("a") @outcome("") permit (principal, action, resource);', "@outcome of a permit"),
        ('@id("a") @outcome("redact") permit (principal, action, resource);', "go together"),
        ('@id("a") @obligations("redact:secret") permit (principal, action, resource);', "go together"),
        ('@id("a") @outcome("redact") @obligations("redact:all") permit (principal, action, resource);', "family"),
        ('@id("a") @obligations("email:me") permit (principal, action, resource);', "an obligation is"),
        ('@id("a") @obligations("notify") permit (principal, action, resource);', "an obligation is"),
        ('@id("a") @obligations("notify:") permit (principal, action, resource);', "an obligation is"),
        ('@id("a b") permit (principal, action, resource);', "@id and @code"),
        ('@id("a\\0") permit (principal, action, resource);', "@id and @code"),
        (f'@id("{"a" * 129}") permit (principal, action, resource);', "@id and @code"),
        ('@id("a") @code("ann@example.org") permit (principal, action, resource);', "@id and @code"),
        ('@id("a") @code("") permit (principal, action, resource);', "@id and @code"),
        ('@id("a") forbid (principal == ?principal, action, resource);', "template"),
        ('@id("a") permit (principal, action, resource) when { context.unknown };', "unknown"),
        ('@id("a") permit (principal, action, resource) when { context.tool == "x" };', "tool"),
        ('@id("a") permit (principal, action == GovernLayer::Action::"x", resource);', "x"),
        ('@id("a") permit (principal is User, action, resource);', "User"),
        ('@id("a") permit (principal, action, resource) when { context.risk.score > "1" };', "Long"),
        ("\0" + PERMIT_ALL, "U\\+0000"),
    ],
)  # fmt: skip
def test_a_set_that_cannot_be_used_is_refused(text: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        parse_policies(text, SCHEMA)


def test_defaults_of_the_annotations() -> None:
    rules = parse_policies('@id("my-rule") forbid (principal, action, resource);' + PERMIT_ALL, SCHEMA).rules
    by_name = {rule.id: rule for rule in rules.values()}
    assert (by_name["my-rule"].outcome, by_name["all"].outcome) == (Outcome.DENY, Outcome.ALLOW)
    assert (by_name["my-rule"].code, by_name["my-rule"].permits) == ("my_rule", False)
    assert by_name["my-rule"].reason == "the policy my-rule applies"


def test_obligations_are_read() -> None:
    text = (
        '@id("a") @outcome("redact") @obligations("redact:secret, notify:security,redact:injection") '
        "permit (principal, action, resource);"
    )
    (rule,) = parse_policies(text, SCHEMA).rules.values()
    assert rule.obligations == (("redact", "secret"), ("notify", "security"), ("redact", "injection"))


def test_the_hash_is_that_of_the_text() -> None:
    one, other = parse_policies(PERMIT_ALL, SCHEMA), parse_policies(PERMIT_ALL + "\n", SCHEMA)
    assert one.hash != other.hash
    assert one.hash == parse_policies(PERMIT_ALL, SCHEMA).hash
