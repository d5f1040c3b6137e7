"""Which risk factors an action has: facts of the question and the findings, turned into the inputs of glrs-1."""

from collections.abc import Mapping, Sequence

import msgspec

from governlayer_server.domain.action import ActionRequest, Stage
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.risk import RiskFactors
from governlayer_server.domain.scan import DETECTORS, Finding, Severity

FAMILIES = ("personal_data", "secret", "injection")
_SURE_PERCENT = 80
_POSSIBLE_PERCENT = 50


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words in the name of an action or tool that tell what it does. A name without any of them tells nothing, and is
# taken for final: what cannot be told to be undone needs a person.
_READING = _words("count describe find get list lookup read search show status view")
_CHANGING = _words(
    """
    add append cancel create draft edit grant insert merge modify move patch post put rename revoke save set share
    update upload upsert write
    """
)
_FINAL = _words(
    """
    bash clear delete deploy destroy drop erase eval exec execute kill overwrite pay payout publish purge refund remove
    replace reset rm run send shell terminate transfer truncate wipe wire
    """
)
_OUTWARD = _words(
    """
    browser curl email export http https mail pay payout post publish send share sms smtp transfer upload url web
    webhook wire
    """
)
_SPECIAL_CLASSES = _words("biometric credentials financial genetic health secret special")

# What may be declared of a resource: the values that glrs-1 knows, mildest first.
_DECLARABLE: Mapping[str, tuple[str, ...]] = {
    "reversibility": ("full", "partial", "none"),
    "scope": ("record", "tenant", "external"),
    "rights": ("none", "affects", "high"),
    "value": ("below", "soft", "hard"),
}
# Until agents are registered with their own profile: a chat is assistive, a tool call acts (AIVSS factor sum x 10).
_CONVERSATION_FACTOR_TENTHS = 15
_TOOL_FACTOR_TENTHS = 35


def count_by_family(findings: Sequence[Finding]) -> dict[str, int]:
    """Return how many findings of at least 50 percent confidence each detector family has."""
    counts = dict.fromkeys(FAMILIES, 0)
    for finding in findings:
        if finding.confidence >= _POSSIBLE_PERCENT:
            counts[DETECTORS[finding.detector].family] += 1
    return counts


def count_sure(findings: Sequence[Finding], family: str) -> int:
    """Return how many findings of at least 80 percent confidence *family* has: enough to refuse for."""
    return sum(
        finding.confidence >= _SURE_PERCENT and DETECTORS[finding.detector].family == family for finding in findings
    )


def risk_factors(request: ActionRequest, findings: Sequence[Finding]) -> RiskFactors:
    """
    Return the factors of *request* for ``glrs-1``.

    What is declared in ``resource.attributes`` (reversibility, scope, rights, value) can make a factor graver than
    the action's name suggests, never milder: whoever asks cannot talk a deletion down.

    Raises:
        InvalidRequest: a declared attribute has a value that glrs-1 does not know. Nothing was scored.
    """
    declared = _declared(request)
    counts = count_by_family(findings)
    tool_stage = request.stage in {Stage.TOOL_CALL, Stage.TOOL_RESULT}
    suggested = {"reversibility": _reversibility(request), "scope": _scope(request), "rights": "none", "value": "below"}
    factors = {
        **{name: _graver(name, value, declared.get(name, value)) for name, value in suggested.items()},
        "data": _data(request, counts),
        "injection": _injection(findings),
        "untrusted_content": request.untrusted,
        # A digest pins nothing until tools are registered, so every tool counts as unknown.
        "unknown_tool": request.action.tool is not None,
        "agent_factor_tenths": _TOOL_FACTOR_TENTHS if tool_stage else _CONVERSATION_FACTOR_TENTHS,
    }
    return msgspec.convert(factors, RiskFactors)


def _graver(name: str, left: str, right: str) -> str:
    return max(left, right, key=_DECLARABLE[name].index)


def _scope(request: ActionRequest) -> str:
    return "external" if _acts(request) and request.verbs & _OUTWARD else "record"


def _declared(request: ActionRequest) -> dict[str, str]:
    attributes = request.resource.attributes if request.resource else {}
    declared = {name: str(attributes[name]) for name in _DECLARABLE if name in attributes}
    faults = [
        Fault(f"/resource/attributes/{name}", f"must be one of {', '.join(_DECLARABLE[name])}")
        for name, value in declared.items()
        if value not in _DECLARABLE[name]
    ]
    if faults:
        raise InvalidRequest("a declared attribute of the resource has an unknown value", faults)
    return declared


def _acts(request: ActionRequest) -> bool:
    return request.stage is Stage.TOOL_CALL


def _reversibility(request: ActionRequest) -> str:
    if not _acts(request):
        return "full"
    if request.verbs & _FINAL:
        return "none"
    if request.verbs & _CHANGING:
        return "partial"
    return "full" if request.verbs & _READING else "none"


def _data(request: ActionRequest, counts: Mapping[str, int]) -> str:
    classes = frozenset(request.data_classes)
    if counts["secret"] or classes & _SPECIAL_CLASSES:
        return "special"
    if counts["personal_data"] or request.data_subjects or "personal" in classes:
        return "personal"
    return "internal" if "internal" in classes else "none"


def _injection(findings: Sequence[Finding]) -> str:
    severities = {finding.severity for finding in findings if DETECTORS[finding.detector].family == "injection"}
    if severities & {Severity.HIGH, Severity.CRITICAL}:
        return "likely"
    return "suspicious" if Severity.MEDIUM in severities else "clean"
