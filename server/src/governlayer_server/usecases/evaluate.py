"""Evaluate an action: scan, score, rule, redact. Pure but for the engine; errors become a deny, never an allow."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import Obligation, Outcome, Redacted
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.factors import risk_factors
from governlayer_server.domain.organization import DefaultDecision
from governlayer_server.domain.policy import (
    EVALUATION_FAILED,
    REDACTION_IMPOSSIBLE,
    TOO_MANY_FINDINGS,
    Ruling,
    by_default,
    question,
    rule_on,
)
from governlayer_server.domain.risk import Risk, score
from governlayer_server.domain.scan import Finding, publishable
from governlayer_server.domain.scanning import find, of_families, redact_action
from governlayer_server.ports import Clock, PolicyEngine

# An answer and its record stay small however much a text holds.
MAX_FINDINGS = 1000
# What is said of the risk of an action that could not be scored: the worst.
UNKNOWN_RISK = Risk(score=100, level="critical", method="glrs-1", vector="", contributions=())


class Evaluation(Struct, frozen=True, kw_only=True):
    """What came out, with the time that each step took."""

    ruling: Ruling
    risk: Risk
    findings: tuple[Finding, ...]
    redacted: Redacted | None
    timings_us: dict[str, int]


class Evaluate(Struct, frozen=True, kw_only=True):
    """Evaluates actions under the policy set in force."""

    engine: PolicyEngine
    clock: Clock

    def __call__(self, request: ActionRequest, default: DefaultDecision = DefaultDecision.DENY) -> Evaluation:
        """
        Return the evaluation of *request*. Whatever fails inside gives a deny with code ``evaluation_failed``.

        Args:
            request: the question.
            default: what becomes of an action that no policy permits.

        Raises:
            InvalidRequest: the request names an unknown detector, or declares an unknown factor.
        """
        timings: dict[str, int] = {}
        ruling, risk, listed, redacted = EVALUATION_FAILED, UNKNOWN_RISK, tuple[Finding, ...](), None
        try:
            start = self.clock.monotonic_us()
            findings = find(request)
            listed = publishable(findings)[:MAX_FINDINGS]
            scanned = self.clock.monotonic_us()
            factors = risk_factors(request, findings)
            risk = score(factors)
            scored = self.clock.monotonic_us()
            answer = self.engine.evaluate(question(request, factors, findings, risk))
            ruling = by_default(rule_on(answer, self.engine.policy_set), default)
            if len(findings) > MAX_FINDINGS:
                ruling = TOO_MANY_FINDINGS
            elif ruling.outcome is Outcome.REDACT:
                ruling, redacted = _redaction(request, findings, ruling)
            timings = {
                "scan": scanned - start,
                "risk": scored - scanned,
                "policy": self.clock.monotonic_us() - scored,
            }
        except InvalidRequest:
            raise
        except Exception:  # noqa: BLE001  # fail closed: whatever breaks here is a recorded deny
            ruling, redacted = EVALUATION_FAILED, None
        return Evaluation(ruling=ruling, risk=risk, findings=listed, redacted=redacted, timings_us=timings)


def _redaction(request: ActionRequest, findings: Sequence[Finding], ruling: Ruling) -> tuple[Ruling, Redacted | None]:
    if request.options.scan != "auto":
        return REDACTION_IMPOSSIBLE, None
    redacted = redact_action(request, findings, ruling.redact_families)
    if redacted is None:
        return REDACTION_IMPOSSIBLE, None
    return _with_obligations(ruling, publishable(of_families(findings, ruling.redact_families))), redacted


def _with_obligations(ruling: Ruling, chosen: Sequence[Finding]) -> Ruling:
    types: dict[str, set[str]] = {}
    for finding in chosen:
        types.setdefault(_target(finding), set()).add(finding.type)
    redactions = tuple(
        Obligation(type="redact", target=target, params={"types": sorted(found)})
        for target, found in sorted(types.items())
    )
    return replace(ruling, obligations=redactions + ruling.obligations)


def _target(finding: Finding) -> str:
    """The JSON pointer of the text that *finding* is in."""
    if finding.content_index is not None:
        return f"/content/{finding.content_index}/text"
    return f"/action/arguments{finding.pointer}"
