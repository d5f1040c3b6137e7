"""Scan an action, and rewrite it: which texts are read, by what, and what is left once findings are replaced."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from governlayer_server.domain.action import ActionRequest, Provenance, Stage
from governlayer_server.domain.decision import Redacted
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.scan import (
    DETECTORS,
    Finding,
    ScanText,
    argument_texts,
    redact,
    redact_arguments,
    scan,
)

_ROUNDS = 4


def find(request: ActionRequest) -> tuple[Finding, ...]:
    """
    Return what the detectors that *request* asks for find in its content and arguments.

    The system prompt of a model request (role and provenance ``system``) is not searched for injections: it gives
    orders by nature. Nowhere else does the caller's word about provenance switch a detector off.

    Raises:
        InvalidRequest: it names an unknown detector.
    """
    wanted = request.options.scan
    if wanted == "none":
        return ()
    if wanted != "auto" and (unknown := sorted(set(wanted) - set(DETECTORS))):
        fault = Fault("/options/scan", f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(DETECTORS))}")
        raise InvalidRequest("options.scan names an unknown detector", [fault])
    texts = [ScanText(text=item.text, content_index=index) for index, item in enumerate(request.content)]
    texts.extend(argument_texts(request.action.arguments))
    found = scan(texts, None if wanted == "auto" else list(wanted))
    return tuple(finding for finding in found if not _is_operators_order(request, finding))


def redact_action(request: ActionRequest, findings: Sequence[Finding], families: Collection[str]) -> Redacted | None:
    """
    Return content and arguments of *request* with the findings of *families* replaced, or None if that fails.

    A placeholder can bring together what was apart, so the result is scanned again, up to four times; what still
    has findings then is not given out.

    Args:
        request: scanned with all detectors.
        findings: what ``find`` returned for it.
        families: detector families whose findings are replaced.
    """
    chosen = of_families(findings, families)
    for _ in range(_ROUNDS):
        request = _replaced(request, chosen)
        chosen = of_families(find(request), families)
        if not chosen:
            return Redacted(
                content=request.content or None,
                arguments=request.action.arguments or None,
            )
    return None


def of_families(findings: Sequence[Finding], families: Collection[str]) -> tuple[Finding, ...]:
    """Return the findings whose detectors belong to *families*."""
    return tuple(finding for finding in findings if DETECTORS[finding.detector].family in families)


def _replaced(request: ActionRequest, findings: Sequence[Finding]) -> ActionRequest:
    content = [
        replace(item, text=redact(item.text, [found for found in findings if found.content_index == index]))
        for index, item in enumerate(request.content)
    ]
    in_arguments = [found for found in findings if found.pointer is not None]
    arguments = redact_arguments(request.action.arguments, in_arguments)
    return replace(request, content=content, action=replace(request.action, arguments=arguments))


def _is_operators_order(request: ActionRequest, finding: Finding) -> bool:
    if finding.content_index is None or DETECTORS[finding.detector].family != "injection":
        return False
    item = request.content[finding.content_index]
    return request.stage is Stage.MODEL_REQUEST and item.role == "system" and item.provenance is Provenance.SYSTEM
