"""From an HTTP reply to a Decision, a typed error, or "unavailable"; pure."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

import msgspec

from ._retry import Facts
from ._wire import Fault, Outcome, Reply
from .decision import Decision
from .errors import ApiError, FieldError, RateLimited, ServerError, api_error_class

_LONGEST_TEXT: Final = 500
_MOST_FIELD_ERRORS: Final = 50
_DECODER: Final = msgspec.json.Decoder(Decision)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]")


def decision_of(reply: Reply, *, needs_ledger: bool) -> Decision | None:
    """
    Return the decision in *reply*, or None if it holds no well-formed one (api.md §4).

    Args:
        reply: a response, of any status.
        needs_ledger: whether a record must stand behind it: always, but for a dry run.
    """
    if reply.status != 200:
        return None
    try:
        decision = _DECODER.decode(reply.body)
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        return None
    if not decision.decision_id or (needs_ledger and decision.ledger is None):
        return None
    return decision


def api_error_of(reply: Reply, secret: str) -> ApiError:
    """
    Return the error that a reply of 4xx or 5xx stands for.

    Only a problem document (RFC 9457) is quoted, cut to 500 characters a member, without *secret* should
    something between us and the server have echoed it. Other bodies are not shown.
    """
    problem = _problem(reply)

    def text(name: str) -> str | None:
        return _clean(problem.get(name), secret)

    common: dict[str, Any] = {
        "code": text("code"),
        "title": text("title") or _phrase(reply.status),
        "detail": text("detail"),
        "request_id": text("request_id") or _clean(reply.headers.get("x-request-id"), secret),
        "errors": _field_errors(problem.get("errors"), secret),
    }
    cls = api_error_class(reply.status)
    if issubclass(cls, RateLimited):
        return cls(reply.status, retry_after_s=retry_after_s(reply), **common)
    return cls(reply.status, **common)


def facts_of(outcome: Outcome) -> Facts:
    """Return what the retry arithmetic needs to know of *outcome*."""
    if isinstance(outcome, Fault):
        return Facts(status=None)
    code = _problem(outcome).get("code")
    return Facts(
        status=outcome.status,
        code=code if isinstance(code, str) else None,
        retry_after_s=retry_after_s(outcome),
    )


def retry_after_s(reply: Reply) -> float | None:
    """Return Retry-After in seconds (RFC 9110 §10.2.3, the delta-seconds form); None for any other form."""
    value = reply.headers.get("retry-after", "").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def why_unavailable(outcome: Outcome, error: ServerError | None) -> str:
    """Return in a few words why *outcome* is no answer."""
    if isinstance(outcome, Fault):
        return outcome.why
    if error is not None:
        return f"server answered {error.status} {error.code}"
    if outcome.status == 200:
        return "malformed answer"
    return f"unexpected status {outcome.status}"


def _problem(reply: Reply) -> dict[str, Any]:
    """Return the problem document in *reply*, or an empty one."""
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if reply.status < 400 or media_type != "application/problem+json":
        return {}
    try:
        return msgspec.json.decode(reply.body, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {}


def _field_errors(entries: object, secret: str) -> tuple[FieldError, ...]:
    if not isinstance(entries, list):
        return ()
    return tuple(
        FieldError(
            pointer=_clean(entry.get("pointer"), secret) or "",
            detail=_clean(entry.get("detail"), secret) or "",
        )
        for entry in entries[:_MOST_FIELD_ERRORS]
        if isinstance(entry, dict)
    )


def _clean(text: object, secret: str) -> str | None:
    """Return *text* fit for a log line: one line, bounded, without *secret*; None if it is no text."""
    if not isinstance(text, str) or not text:
        return None
    return _UNPRINTABLE.sub(" ", text.replace(secret, "[api key]"))[:_LONGEST_TEXT]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
