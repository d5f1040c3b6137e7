"""
Policies in Cedar, through cedarpy: parsed once per version, evaluated against the schema.

Cedar ignores a policy whose condition fails to evaluate, and so would allow what a broken ``forbid`` was meant to
stop. Here any such error, and ``NoDecision``, makes the answer ``failed``, which the domain rules a deny.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import cedarpy
from msgspec import Struct

from governlayer_server.adapters.cedar.guard import check_policy_text
from governlayer_server.domain.decision import Outcome
from governlayer_server.domain.errors import PolicyError
from governlayer_server.domain.policy import RESERVED_PREFIX, EngineAnswer, PolicySet, Question, Rule

_NAMESPACE = "GovernLayer"
_PARSE_TIMEOUT_S = 20
_OUTCOMES = {True: (Outcome.ALLOW, Outcome.REDACT), False: (Outcome.DENY, Outcome.REQUIRE_APPROVAL)}
_ANNOTATIONS = frozenset({"code", "id", "obligations", "outcome", "reason"})
_REDACTABLE = frozenset({"personal_data", "secret", "injection"})
# What stands in ledger records, so that it stays short and plain.
_WORD = re.compile(r"[A-Za-z0-9._:/-]{1,128}")
# Run with the texts on standard input: if a parser takes its process down, it is not ours. `policies_to_pst` refuses
# more than 100 levels, so what passes here is shallow enough for all that follows.
_TRIAL = (
    "import sys, cedarpy; p, s = sys.stdin.read().split('\\0'); "
    "cedarpy.policies_to_pst(p); cedarpy.validate_policies(p, s)"
)


class ParsedPolicies(Struct, frozen=True):
    """A policy text that has been parsed and validated: its rules by Cedar's own policy ids, and the handles."""

    hash: str
    text: str
    rules: Mapping[str, Rule]
    policies: cedarpy.PolicySet
    schema: cedarpy.Schema


def parse_policies(text: str, schema_text: str) -> ParsedPolicies:
    """
    Return *text* parsed and validated against *schema_text*.

    Raises:
        PolicyError: the text cannot be parsed, holds no policy, does not fit the schema, or has a missing, repeated
            or unknown annotation. The message names the policy.
    """
    check_policy_text(text)
    check_policy_text(schema_text)
    if "\0" in text:
        raise PolicyError("a policy text has no U+0000")
    _try_elsewhere(text, schema_text)
    try:
        parsed = cedarpy.policies_to_pst(text)
    except ValueError as error:
        raise PolicyError(f"the policies cannot be parsed: {error}") from None
    result = cedarpy.validate_policies(text, schema_text)
    if not result.validation_passed:
        ids = {cedar_id: policy.annotations.get("id", cedar_id) for cedar_id, policy in parsed.static_policies.items()}
        raise PolicyError("; ".join(sorted({_named(error, ids) for error in result.errors})))
    if parsed.templates:
        raise PolicyError("a policy with ?principal or ?resource is a template, which nothing would ever apply")
    rules = {
        cedar_id: _rule(cedar_id, policy.annotations, permits=str(policy.effect) == "permit")
        for cedar_id, policy in parsed.static_policies.items()
    }
    if not rules:
        raise PolicyError("there is no policy in it: everything would be denied")
    names = [rule.id for rule in rules.values()]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise PolicyError(f"@id must be unique: {', '.join(sorted(repeated))}")
    return ParsedPolicies(
        sha256(text.encode()).hexdigest(),
        text,
        rules,
        cedarpy.PolicySet.from_str(text),
        cedarpy.Schema.from_str(schema_text),
    )


class CedarEngine:
    """``ports.PolicyEngine`` for one parsed set."""

    def __init__(self, parsed: ParsedPolicies, version: int) -> None:
        self._parsed = parsed
        by_name = {rule.id: rule for rule in parsed.rules.values()}
        self._policy_set = PolicySet(version=version, hash=parsed.hash, rules=by_name)

    @property
    def policy_set(self) -> PolicySet:
        """The set in force."""
        return self._policy_set

    def evaluate(self, question: Question) -> EngineAnswer:
        """Return Cedar's answer; an error in any policy, or a request outside the schema, makes it ``failed``."""
        if any(name.startswith(RESERVED_PREFIX) for name in question.resource_attributes):
            return EngineAnswer(permitted=False, reasons=(), failed=True)
        resource = {
            "type": f"{_NAMESPACE}::Resource",
            "id": f"{question.resource_type}/{question.resource_id}",
        }
        principal = {"type": f"{_NAMESPACE}::Agent", "id": question.agent_id}
        result = cedarpy.is_authorized(
            {
                "principal": principal,
                "action": {"type": f"{_NAMESPACE}::Action", "id": question.stage},
                "resource": resource,
                "context": dict(question.context),
            },
            self._parsed.policies,
            [
                {"uid": principal, "attrs": {}, "parents": []},
                {
                    "uid": resource,
                    "attrs": {"type": question.resource_type, "id": question.resource_id},
                    "parents": [],
                    "tags": dict(question.resource_attributes),
                },
            ],
            schema=self._parsed.schema,
        )
        failed = bool(result.diagnostics.errors) or result.decision is cedarpy.Decision.NoDecision
        return EngineAnswer(
            permitted=result.decision is cedarpy.Decision.Allow,
            reasons=tuple(sorted(self._parsed.rules[reason].id for reason in result.diagnostics.reasons)),
            failed=failed,
        )


def _try_elsewhere(text: str, schema_text: str) -> None:
    try:
        trial = subprocess.run(  # noqa: S603  # nosec B603  # this interpreter, a constant program, texts on stdin
            [sys.executable, "-I", "-c", _TRIAL],
            input=f"{text}\0{schema_text}".encode(),
            capture_output=True,
            timeout=_PARSE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PolicyError(f"parsing took longer than {_PARSE_TIMEOUT_S} s") from None
    if trial.returncode < 0:
        raise PolicyError("the Cedar parser crashed on this text")


def _named(error: Any, ids: Mapping[str, str]) -> str:
    """Say which policy an error is of by its @id; Cedar counts policies and says ``policy7``."""
    name = ids.get(error.policy_id, error.policy_id)
    return f"{name}: {error.error}".replace(f"for policy `{error.policy_id}`, ", "")


def _rule(cedar_id: str, annotations: Mapping[str, str], *, permits: bool) -> Rule:
    name = annotations.get("id", "")
    if not name:
        raise PolicyError(f"{cedar_id}: every policy needs an @id")
    if unknown := sorted(set(annotations) - _ANNOTATIONS):
        known = ", ".join(f"@{annotation}" for annotation in sorted(_ANNOTATIONS))
        raise PolicyError(f"{name}: unknown annotation @{unknown[0]}; known: {known}")
    code = annotations.get("code", name.replace("-", "_"))
    if not _WORD.fullmatch(name) or not _WORD.fullmatch(code):
        raise PolicyError(f"{cedar_id}: @id and @code are 1 to 128 characters of [A-Za-z0-9._:/-]")
    allowed = _OUTCOMES[permits]
    outcome = annotations.get("outcome", allowed[0].value)
    if outcome not in allowed:
        effect = "permit" if permits else "forbid"
        raise PolicyError(f"{name}: the @outcome of a {effect} is one of {', '.join(allowed)}")
    obligations = tuple(_obligation(name, item) for item in annotations.get("obligations", "").split(",") if item)
    redacts = any(kind == "redact" for kind, _ in obligations)
    if redacts != (outcome == Outcome.REDACT):
        raise PolicyError(f'{name}: @outcome("redact") and an obligation `redact:<family>` go together')
    return Rule(
        id=name,
        permits=permits,
        outcome=Outcome(outcome),
        obligations=obligations,
        code=code,
        reason=annotations.get("reason", f"the policy {name} applies"),
    )


def _obligation(name: str, item: str) -> tuple[str, str]:
    kind, _, argument = item.strip().partition(":")
    if kind not in {"redact", "notify"} or not argument:
        raise PolicyError(f"{name}: an obligation is `redact:<family>` or `notify:<whom>`")
    if kind == "redact" and argument not in _REDACTABLE:
        raise PolicyError(f"{name}: a family to redact is one of {', '.join(sorted(_REDACTABLE))}")
    return kind, argument
