"""
What is kept of the texts behind a decision, as the organization has chosen.

    none        nothing, so the record commits to nothing
    redacted    what is left once everything that any detector finds is replaced
    encrypted   everything
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import Decision
from governlayer_server.domain.decision_record import payload_values, written
from governlayer_server.domain.organization import StorePayloads
from governlayer_server.domain.scan import DETECTORS
from governlayer_server.domain.scanning import find, redact_action

_FAMILIES = frozenset(detector.family for detector in DETECTORS.values())
# An unsalted hash of the action would give away short contents.
_UNSALTED = "action_digest"


def stored_texts(request: ActionRequest, decision: Decision, store: StorePayloads) -> Mapping[str, str]:
    """
    Return the payloads to store by name, each one JSON value.

    Args:
        request: the question.
        decision: the answer to it.
        store: what the organization keeps.

    Raises:
        InvalidRequest: one of them is longer than 1 MiB once it is written out.
    """
    if store is StorePayloads.NONE:
        return {}
    values = payload_values(request, decision)
    if store is StorePayloads.ENCRYPTED:
        return written(values)
    return written({name: kept for name, value in values.items() if (kept := _redacted(request, name, value))})


def _redacted(request: ActionRequest, name: str, value: object) -> object:
    """Return *value* with all findings replaced, or None where that is impossible or fails: it is not stored then."""
    if name == "findings":
        return value  # places and kinds, never what was found
    try:
        if name == "content":
            return _without_findings(request, content=request.content, arguments={}, name="content")
        members = msgspec.to_builtins(value)
        members.pop(_UNSALTED, None)
        return _without_findings(request, content=[], arguments=members, name="arguments")
    except Exception:  # noqa: BLE001  # what a broken detector has not read is not known to be harmless
        return None


def _without_findings(request: ActionRequest, *, content: object, arguments: object, name: str) -> object:
    alone = replace(
        request,
        content=content,
        action=replace(request.action, arguments=arguments),
        options=replace(request.options, scan="auto"),
    )
    redacted = redact_action(alone, find(alone), _FAMILIES)
    return None if redacted is None else getattr(redacted, name)
