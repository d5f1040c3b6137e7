"""Errors as problem documents (RFC 9457): the one place where an error gets its HTTP status."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from governlayer_server.domain.errors import Fault, GovernLayerError, InvalidRequest, RateLimited, TooManyAttempts

PROBLEM_JSON = "application/problem+json"
_RETRY_AFTER_S = "1"
_MISSING = re.compile(r"Missing required \w+ parameter '(\w+)'")  # Litestar's words: it says so nowhere else


class ProblemKind(Struct, frozen=True):
    """A kind of problem: its status, its title, and what the reader can do about it."""

    status: int
    title: str
    advice: str


KINDS: Mapping[str, ProblemKind] = {
    "malformed_body": ProblemKind(400, "The body is not JSON", "Send one JSON value in UTF-8."),
    "ambiguous_credentials": ProblemKind(
        400, "Two different credentials", "Send the API key in one header only: Authorization or X-API-Key."
    ),
    "bad_request": ProblemKind(400, "The request is malformed", "Check the request line, headers and parameters."),
    "not_authenticated": ProblemKind(
        401,
        "No valid credential",
        "Send an API key or an access token as `Authorization: Bearer …`, or an API key as `X-API-Key: gl_…`.",
    ),
    "forbidden": ProblemKind(403, "Not allowed", "This credential may not do this."),
    "registration_closed": ProblemKind(
        403, "Registration is closed", "Ask the operator, or the organization's owner, for an invitation."
    ),
    "step_up_required": ProblemKind(
        403, "Show password and code again", "POST /v1/auth/step-up, then repeat the request with the new token."
    ),
    "missing_scope": ProblemKind(403, "A scope is missing", "Use a key that has the scope named in the detail."),
    "not_found": ProblemKind(404, "Not found", "Check the path and the ids in it."),
    "method_not_allowed": ProblemKind(405, "Method not allowed", "See the Allow header."),
    "idempotency_in_progress": ProblemKind(
        409,
        "The first request is still running",
        "Repeat the request in a moment; it will get the same answer.",
    ),
    "conflict": ProblemKind(409, "Its state does not admit this", "The detail names the state. Nothing was changed."),
    "legal_hold": ProblemKind(
        409, "A legal hold covers it", "The detail names the hold. Nothing was destroyed: release the hold first."
    ),
    "last_owner": ProblemKind(
        409, "The last active owner", "Make somebody else an owner first: an organization always has one."
    ),
    "too_slow": ProblemKind(
        408, "The request came too slowly", "Send the head within 5 and the body within 15 seconds."
    ),
    "rate_limited": ProblemKind(
        429,
        "Too many requests",
        "Wait for the seconds in `Retry-After`. `RateLimit` tells on every answer how many requests are left.",
    ),
    "too_many_attempts": ProblemKind(
        429, "Too many attempts", "Wait for the seconds in `Retry-After`. No password was checked."
    ),
    "body_too_large": ProblemKind(413, "The body is too large", "A body has at most 1 MiB (1,048,576 bytes)."),
    "unsupported_media_type": ProblemKind(415, "Unsupported media type", "Send `Content-Type: application/json`."),
    "invalid_request": ProblemKind(422, "The request does not fit the API", "Each entry of `errors` names a place."),
    "idempotency_key_reused": ProblemKind(
        422, "The idempotency key was used with another body", "Use a new key for a new request."
    ),
    "head_too_large": ProblemKind(
        431, "The head of the request is too large", "Request line and headers have at most 32 KiB together."
    ),
    "policy_invalid": ProblemKind(422, "The policy cannot be used", "The detail names the policy and the fault."),
    "unavailable": ProblemKind(503, "Temporarily unavailable", "There is no decision. Do not act; try again."),
    "overloaded": ProblemKind(503, "Too much at once", "Nothing was done. Try again in a moment."),
    "ledger_unavailable": ProblemKind(
        503, "The ledger cannot be written or read", "There is no decision. Do not act; try again."
    ),
    "ledger_damaged": ProblemKind(
        503,
        "What is stored of the ledger contradicts itself",
        "Nothing of it is told or signed. Tell the operator: `governlayer ledger fsck` names the place.",
    ),
    "ledger_refused": ProblemKind(
        503,
        "The ledger is closed to writing",
        "There is no decision. Do not act; tell the operator: `governlayer doctor` shows what was found.",
    ),
    "internal_error": ProblemKind(500, "Internal error", "There is no decision. Do not act; tell the operator."),
}
_CODE_OF_STATUS = {
    400: "bad_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    503: "unavailable",
}
AnyRequest = Request[Any, Any, Any]


class FaultBody(Struct, frozen=True):
    """One fault: RFC 6901 pointer into the body (empty for the whole, or for a parameter named in the detail)."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457). ``errors`` comes with 422."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FaultBody] | None = None


def request_id_of(request: AnyRequest) -> str:
    """Return the id of the request, as its ``X-Request-Id`` header says it."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def document(code: str, detail: str, request_id: str, faults: Sequence[Fault] = ()) -> bytes:
    """Return the bytes of the problem document of *code*, one of ``KINDS``."""
    kind = KINDS[code]
    body = Problem(
        type=f"/problems/{code}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        code=code,
        request_id=request_id,
        errors=[FaultBody(fault.pointer, fault.detail) for fault in faults] if kind.status == 422 else None,
    )
    return msgspec.json.encode(body)


def problem(request: AnyRequest, code: str, detail: str, faults: Sequence[Fault] = ()) -> Response[bytes]:
    """Return the problem document of *code*; an unknown code becomes ``internal_error`` without its detail."""
    if code not in KINDS:
        code, detail, faults = "internal_error", "something went wrong inside the appliance", ()
    kind = KINDS[code]
    body = document(code, detail, request_id_of(request), faults)
    headers = {}
    if kind.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="governlayer"'
    if kind.status == 503 or code == "idempotency_in_progress":
        headers["Retry-After"] = _RETRY_AFTER_S
    return Response(body, status_code=kind.status, media_type=PROBLEM_JSON, headers=headers)


def on_governlayer_error(request: AnyRequest, error: GovernLayerError) -> Response[bytes]:
    """Answer an error raised on purpose. The text of one without a public code stays inside."""
    faults = error.faults if isinstance(error, InvalidRequest) else ()
    response = problem(request, error.code, str(error), faults)
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(error.verdict.retry_after_s)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _named(request: AnyRequest, item: Mapping[str, Any]) -> str:
    """Return the parameter's name as the client knows it; the handler may call it otherwise."""
    key = str(item.get("key", ""))
    parameter = request.route_handler.parsed_fn_signature.parameters.get(key)
    return getattr(parameter and parameter.kwarg_definition, "name", None) or key


def on_http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Answer what the framework refuses: unknown paths and methods, bad parameters, bodies too large."""
    extra = getattr(error, "extra", None)
    if error.status_code == 400 and isinstance(extra, list):
        faults = [Fault("", f"parameter `{_named(request, item)}`: {item.get('message', '')}") for item in extra]
        return problem(request, "invalid_request", "a parameter has a wrong value", faults)
    if missing := _MISSING.match(error.detail):
        return problem(request, "invalid_request", "a parameter is missing", [Fault("", f"parameter `{missing[1]}`")])
    code = _CODE_OF_STATUS.get(error.status_code, "internal_error")
    response = problem(request, code, KINDS[code].advice)
    if error.status_code == 405 and error.headers:
        response.headers.update({name: value for name, value in error.headers.items() if name.lower() == "allow"})
    return response


def on_any_error(request: AnyRequest, _error: Exception) -> Response[bytes]:
    """Answer what nobody expected: no detail leaves."""
    return problem(request, "internal_error", "something went wrong inside the appliance")
