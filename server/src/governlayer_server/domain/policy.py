"""
Policies: what the engine is asked, and what its answer means.

The engine (Cedar) knows permit and forbid. Annotations on the policies make four outcomes of it:

    @id("…")            stable name, required, unique in the set
    @outcome("…")       on a permit: allow (default) or redact; on a forbid: deny (default) or require_approval
    @obligations("…")   comma separated, `redact:personal_data` or `notify:security`
    @reason("…")        one sentence for people          @code("…")  stable word for programs

Errors are never skipped: where any policy could not be evaluated, or the request does not fit the schema, the
outcome is deny (Cedar itself would ignore a forbid that fails, and allow).
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import DeterminedBy, Obligation, Outcome, PolicySetUsed, PolicyUsed
from governlayer_server.domain.factors import count_by_family, count_sure
from governlayer_server.domain.organization import DefaultDecision
from governlayer_server.domain.risk import Risk, RiskFactors
from governlayer_server.domain.scan import Finding, Severity

RESERVED_PREFIX = "__"


class Rule(Struct, frozen=True, kw_only=True):
    """One policy of a set, as far as its meaning for the outcome goes."""

    id: str
    permits: bool
    outcome: Outcome
    obligations: tuple[tuple[str, str], ...] = ()
    code: str
    reason: str


class PolicySet(Struct, frozen=True, kw_only=True):
    """A parsed, validated set: never changed, only followed by another version."""

    version: int
    hash: str
    rules: Mapping[str, Rule]

    @property
    def used(self) -> PolicySetUsed:
        """Version and hash, as answers and records name the set."""
        return PolicySetUsed(version=self.version, hash=self.hash)


class Question(Struct, frozen=True, kw_only=True):
    """What the engine is asked: identifiers and projected facts, never the customer's text."""

    agent_id: str
    stage: str
    resource_type: str
    resource_id: str
    resource_attributes: Mapping[str, str]
    context: Mapping[str, object]


class EngineAnswer(Struct, frozen=True, kw_only=True):
    """What the engine says: the ids that determined it, and whether anything could not be evaluated."""

    permitted: bool
    reasons: tuple[str, ...]
    failed: bool = False


class Ruling(Struct, frozen=True, kw_only=True):
    """The outcome with what it rests on."""

    outcome: Outcome
    determined_by: DeterminedBy
    code: str
    reason: str
    rules: tuple[Rule, ...] = ()
    redact_families: frozenset[str] = frozenset()
    obligations: tuple[Obligation, ...] = field(default=())

    def policies(self, version: int, *, explain: bool) -> tuple[PolicyUsed, ...]:
        """Return the determining policies as the answer names them."""
        return tuple(
            PolicyUsed(
                id=rule.id,
                version=version,
                effect="permit" if rule.permits else "forbid",
                outcome=rule.outcome,
                reason=rule.reason if explain else None,
            )
            for rule in self.rules
        )


EVALUATION_FAILED = Ruling(
    outcome=Outcome.DENY,
    determined_by=DeterminedBy.ERROR,
    code="evaluation_failed",
    reason="the action could not be evaluated, so it is denied",
)
NO_POLICY = Ruling(
    outcome=Outcome.DENY,
    determined_by=DeterminedBy.DEFAULT,
    code="no_policy_permits",
    reason="no policy permits this action",
)
TOO_MANY_FINDINGS = Ruling(
    outcome=Outcome.DENY,
    determined_by=DeterminedBy.ERROR,
    code="too_many_findings",
    reason="the content has more findings than can be listed, so it is denied",
)
REDACTION_IMPOSSIBLE = Ruling(
    outcome=Outcome.DENY,
    determined_by=DeterminedBy.ERROR,
    code="redaction_impossible",
    reason="the policy asks for redaction, but not everything that it names can be found and replaced",
)


def question(request: ActionRequest, factors: RiskFactors, findings: Sequence[Finding], risk: Risk) -> Question:
    """Return what the engine is asked about *request*; the context is described in ``policies/schema.cedarschema``."""
    counts = count_by_family(findings)
    resource = request.resource
    context: dict[str, object] = {
        "action": request.action.name,
        "approved": False,
        "data": factors.data,
        "data_classes": list(request.data_classes),
        "findings": {
            "injection": counts["injection"],
            "personal_data": counts["personal_data"],
            "secret": counts["secret"],
            "secret_sure": count_sure(findings, "secret"),
            "severity": _highest(findings),
            "types": sorted({finding.type for finding in findings}),
        },
        "injection": factors.injection,
        "reversibility": factors.reversibility,
        "risk": {"level": risk.level, "score": risk.score},
        "scanned": request.options.scan == "auto",
        "scope": factors.scope,
        "untrusted": request.untrusted,
    }
    if request.action.tool is not None:
        context["tool"] = request.action.tool.name
    if request.system is not None:
        context["system"] = request.system.id
    return Question(
        agent_id=request.agent.id,
        stage=request.stage.value,
        resource_type=resource.type if resource else "none",
        resource_id=resource.id if resource else "none",
        resource_attributes={
            name: _attribute_text(value) for name, value in (resource.attributes if resource else {}).items()
        },
        context=context,
    )


def rule_on(answer: EngineAnswer, policy_set: PolicySet) -> Ruling:
    """
    Return what the engine's answer means.

    Failure is deny, and so is an answer that rests on policies of the other effect. A refusal asks for approval only
    if every policy behind it does. A permission carries the obligations of all policies behind it, and is a redaction
    if any of them is.
    """
    if answer.failed or any(policy_id not in policy_set.rules for policy_id in answer.reasons):
        return EVALUATION_FAILED
    rules = tuple(policy_set.rules[policy_id] for policy_id in answer.reasons)
    if any(rule.permits is not answer.permitted for rule in rules):
        return EVALUATION_FAILED
    if not rules:
        return EVALUATION_FAILED if answer.permitted else NO_POLICY
    outcomes = {rule.outcome for rule in rules}
    if answer.permitted:
        outcome = Outcome.REDACT if Outcome.REDACT in outcomes else Outcome.ALLOW
    else:
        outcome = Outcome.REQUIRE_APPROVAL if outcomes == {Outcome.REQUIRE_APPROVAL} else Outcome.DENY
    first = next(rule for rule in rules if rule.outcome is outcome)
    pairs = [pair for rule in rules for pair in rule.obligations]
    return Ruling(
        outcome=outcome,
        determined_by=DeterminedBy.POLICY,
        code=first.code,
        reason=first.reason,
        rules=rules,
        redact_families=frozenset(argument for kind, argument in pairs if kind == "redact"),
        obligations=tuple(
            Obligation(type=kind, target="", params={"to": argument}) for kind, argument in pairs if kind != "redact"
        ),
    )


def by_default(ruling: Ruling, default: DefaultDecision) -> Ruling:
    """Return *ruling*, or where no policy permits the action what the organization has chosen: never an allow."""
    if ruling.determined_by is DeterminedBy.DEFAULT and default is DefaultDecision.REQUIRE_APPROVAL:
        return replace(ruling, outcome=Outcome.REQUIRE_APPROVAL)
    return ruling


def _highest(findings: Sequence[Finding]) -> str:
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index).value if findings else "none"


def _attribute_text(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
