"""What a decision leaves behind: the record's body (facts only) and the payloads (everything personal)."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256

import msgspec
import rfc8785

from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import Decision
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.commitment import MAX_PAYLOAD_BYTES

_MAX_POLICIES = 32


def action_digest(request: ActionRequest) -> str:
    """
    Return what an approval is bound to: hex SHA-256 of the RFC 8785 form of the action.

    It covers stage, agent, action with tool and arguments, resource and content. It is told to the caller, but
    stands in no record: without a salt it would give away short contents.
    """
    bound = {
        "action": request.action,
        "agent": request.agent.id,
        "content": request.content,
        "resource": request.resource,
        "stage": request.stage,
    }
    return sha256(rfc8785.dumps(msgspec.to_builtins(bound))).hexdigest()


def decision_body(request: ActionRequest, decision: Decision) -> Mapping[str, object]:
    """Return the body of the ``decision`` record: identifiers of narrow grammar, numbers and fixed words only."""
    found = Counter((item.detector, item.type, item.severity.value) for item in decision.scan.findings)
    return {
        "action": request.action.name,
        "agent": request.agent.id,
        "decision": decision.decision.value,
        "decision_id": decision.decision_id,
        "determined_by": decision.determined_by.value,
        "enforced": decision.enforced,
        "findings": [
            {"count": count, "detector": detector, "severity": severity, "type": kind}
            for (detector, kind, severity), count in sorted(found.items())
        ],
        "mode": decision.mode.value,
        "obligations": sorted({obligation.type for obligation in decision.obligations}),
        "policies": [
            {"effect": used.effect, "id": used.id, "outcome": used.outcome.value, "version": used.version}
            for used in decision.policies[:_MAX_POLICIES]
        ],
        "policies_count": len(decision.policies),
        "policy_set": {"hash": decision.policy_set.hash, "version": decision.policy_set.version},
        "reason_code": decision.reason_code,
        "resource_type": request.resource.type if request.resource else None,
        "risk": {
            "level": decision.risk.level,
            "method": decision.risk.method,
            "score": decision.risk.score,
            "vector": decision.risk.vector,
        },
        "scan": request.options.scan if isinstance(request.options.scan, str) else "chosen",
        "stage": request.stage.value,
        "system": request.system.id if request.system else None,
        "tool": request.action.tool.name if request.action.tool else None,
    }


def payload_values(request: ActionRequest, decision: Decision) -> dict[str, object]:
    """Return what there is to store of the question and its findings, by payload name."""
    context = {
        "action_digest": decision.action_digest,
        "agent": request.agent,
        "data_classes": request.data_classes,
        "data_subjects": request.data_subjects,
        "purpose": request.purpose,
        "resource": request.resource,
        "session": request.session,
        "system": request.system,
        "tool": request.action.tool,
    }
    values: dict[str, object] = {"context": {name: value for name, value in context.items() if value}}
    if request.content:
        values["content"] = request.content
    if request.action.arguments:
        values["arguments"] = request.action.arguments
    if decision.scan.findings:
        values["findings"] = decision.scan.findings
    return values


def written(values: Mapping[str, object]) -> Mapping[str, str]:
    """
    Return *values* as JSON texts.

    Raises:
        InvalidRequest: one of them is longer than 1 MiB.
    """
    texts = {name: msgspec.json.encode(value).decode() for name, value in values.items()}
    for name, text in texts.items():
        if len(text.encode()) > MAX_PAYLOAD_BYTES:
            raise InvalidRequest(
                f"{name} is longer than {MAX_PAYLOAD_BYTES} bytes once written as JSON",
                [Fault("", f"{name}: at most {MAX_PAYLOAD_BYTES} bytes")],
            )
    return texts
