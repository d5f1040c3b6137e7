"""
The OpenAPI document, true to the letter.

Litestar knows the routes and parameters; msgspec knows exactly what the structs admit (unknown members, patterns,
limits), and Litestar's own rendering of them is looser. Credentials and errors follow from the route: its access rule,
its other options, whether it takes a body, or has parameters.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.enums import MediaType
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import HTTPRoute

from governlayer_server.domain.access import Rule
from governlayer_server.domain.action import ActionRequest
from governlayer_server.domain.decision import Decision
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.paperwork import LogKeeping, ProcessingRecords
from governlayer_server.usecases.read_ledger import LedgerState
from governlayer_server.usecases.verify_ledger import Verified
from governlayer_server.web.authenticate import ALSO, REFUSES, SCHEME
from governlayer_server.web.hold_bodies import CreateHoldRequest, HoldBody, HoldList, ReleaseHoldRequest
from governlayer_server.web.key_bodies import (
    CreateKeyRequest,
    KeyBody,
    KeyEvents,
    KeyList,
    NewKeyBody,
    RotateKeyRequest,
)
from governlayer_server.web.privacy_bodies import ErasureBody, ErasureList, ErasureRequest
from governlayer_server.web.problems import PROBLEM_JSON, Problem
from governlayer_server.web.routes.auth import (
    LoginBody,
    LogoutBody,
    PasswordBody,
    RefreshBody,
    StepUpBody,
    TokenBody,
)
from governlayer_server.web.routes.health import About, Health
from governlayer_server.web.routes.ledger import RecordBody, RecordList
from governlayer_server.web.routes.ledger_proofs import ConsistencyBody, InclusionBody
from governlayer_server.web.routes.ledger_verify import VerifyBody
from governlayer_server.web.routes.organization import OrganizationBody, OrganizationChange, UsageList
from governlayer_server.web.routes.privacy_exports import SubjectExportRequest
from governlayer_server.web.routes.register import RegisterBody, RegisteredBody
from governlayer_server.web.routes.reset import AcceptedBody, ForgotBody, ResetBody
from governlayer_server.web.routes.sessions import SessionBody, SessionList
from governlayer_server.web.routes.totp import BeginBody, CodeBody, RecoveryBody, TotpBody
from governlayer_server.web.routes.users import (
    CallerBody,
    InviteBody,
    InvitedBody,
    UserBody,
    UserChange,
    UserList,
)
from governlayer_server.web.throttle import UNLIMITED

PATH = "/openapi.json"
_KEYS = (CreateKeyRequest, KeyBody, KeyEvents, KeyList, NewKeyBody, RotateKeyRequest)
_ERASURES = (ErasureBody, ErasureList, ErasureRequest)
_HOLDS = (CreateHoldRequest, HoldBody, HoldList, ReleaseHoldRequest, SubjectExportRequest)
_STRUCTS = (
    About, AcceptedBody, ActionRequest, BeginBody, CallerBody, CodeBody, ConsistencyBody, Decision, ForgotBody, Health,
    InclusionBody, InviteBody, InvitedBody, LedgerState, LogKeeping, LoginBody, LogoutBody, OrganizationBody,
    OrganizationChange, PasswordBody, Problem, ProcessingRecords, RecordBody, RecordList, RecoveryBody, RefreshBody,
    RegisterBody, RegisteredBody, ResetBody, SessionBody, SessionList, StepUpBody, TokenBody, TotpBody, UsageList,
    UserBody, UserChange, UserList, Verified, VerifyBody,
    *_ERASURES,
    *_HOLDS,
    *_KEYS,
)  # fmt: skip
# A change of nothing is refused.
_CHANGES = (OrganizationChange, UserChange)
_REF = "#/components/schemas/{name}"
_WITH_OR_WITHOUT_BODY = frozenset({"begin_totp", "sign_out", "verify_ledger"})
_ALWAYS = (400, 408, 431, 500)
_LIMITED = (429,)
_WITH_PLACE = (404,)
_WITH_CREDENTIAL = (401, 403, 503)
_WITH_BODY = (409, 413, 415, 422)
_ALWAYS_TOLD = ("RateLimit-Policy", "RateLimit")
_LIMIT_HEADERS = {
    "RateLimit-Policy": (
        "The limits of requests, of the key and of the organization, or of the user alone "
        "(draft-ietf-httpapi-ratelimit-headers): `q` requests in any `w` seconds. "
        "On every answer to a request with a valid credential."
    ),
    "RateLimit": "What is left of these limits: `r` requests now, one more in `t` seconds.",
    "Retry-After": "Seconds until a request would be admitted.",
}
Document = dict[str, Any]


class TrueJsonPlugin(JsonRenderPlugin):
    """
    Serves the completed document instead of Litestar's; made once, as anybody may ask.

    Args:
        completed: returns the completed document, the same one as to everybody else who needs it.
    """

    def __init__(self, completed: Callable[[], Document]) -> None:
        super().__init__(path=PATH, media_type=MediaType.JSON)
        self._completed = completed
        self._made: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Document) -> bytes:  # noqa: ARG002
        """Return the document as JSON."""
        if self._made is None:
            self._made = msgspec.json.encode(self._completed())
        return self._made


def refuse_other_paths(request: Request[Any, Any, Any]) -> None:
    """
    Return if the document itself is asked for. Litestar would answer ``/`` and ``/anything`` with pages of its own.

    Raises:
        NotFound: another path is asked for.
    """
    if request.scope["path"] != PATH:
        raise NotFound("there is nothing at this path")


def complete(document: Mapping[str, Any], app: Litestar) -> Document:
    """
    Return Litestar's *document* of *app* with exact schemas, the errors of every operation, and how to authenticate.

    The routes that serve the document itself are left out.
    """
    paths = {path: item for path, item in document["paths"].items() if path not in {"/", "/{path}", PATH}}
    options = {
        handler.operation_id: handler.opt
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, _ in route.route_handler_map.values()
    }
    for path, operation in _operations(paths):
        _complete_operation(operation, options[operation["operationId"]], has_place="{" in path)
    _, schemas = msgspec.json.schema_components(_STRUCTS, ref_template=_REF, schema_hook=_any_value)
    for change in _CHANGES:
        schemas[change.__name__]["minProperties"] = 1
    return {
        **document,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                str(status): _problem(status)
                for status in (*_ALWAYS, *_LIMITED, *_WITH_PLACE, *_WITH_CREDENTIAL, *_WITH_BODY)
            },
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in _LIMIT_HEADERS.items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token, or an API key, `gl_…`.",
                },
                "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "metrics_token": {"type": "http", "scheme": "bearer", "description": "The token of the metrics."},
            },
        },
    }


def _operations(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Document]]:
    for path, item in paths.items():
        yield from ((path, operation) for operation in item.values() if isinstance(operation, dict))


def _complete_operation(operation: Document, options: Mapping[str, Any], *, has_place: bool) -> None:
    security, refusals = _access(options)
    statuses: Sequence[int] = _ALWAYS + refusals + (_WITH_PLACE if has_place else ())
    if not options.get(UNLIMITED):
        statuses = (*statuses, *_LIMITED)
    if "requestBody" in operation:
        statuses = (*statuses, *_WITH_BODY)
    elif operation.get("parameters"):
        statuses = (*statuses, 422)
    if _may_be_repeated(operation):
        statuses = (*statuses, 409)
    answers = _successes(operation, options.get(ALSO))
    if {"bearer": []} in security:
        for answer in answers.values():
            answer["headers"] = {**answer.get("headers", {}), **_header_references(*_ALWAYS_TOLD)}
    for status in sorted(set(statuses)):
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}
    if operation["operationId"] == "readyz":
        answers["503"] = {
            "description": "Something that decisions need does not work; `failing` names it",
            "content": {"application/json": {"schema": {"$ref": _REF.format(name="Health")}}},
        }
    if operation["operationId"] in _WITH_OR_WITHOUT_BODY:
        operation["requestBody"]["required"] = False
    operation["responses"] = answers
    operation["security"] = security


def _successes(operation: Document, also: str | None) -> Document:
    """Return the answers to what succeeds; where a text is there too for who asks for it, with its media type."""
    answers = {status: answer for status, answer in operation["responses"].items() if status.startswith("2")}
    if also is not None:
        answers["200"]["content"][also] = {"schema": {"type": "string"}}
    return answers


def _may_be_repeated(operation: Document) -> bool:
    return any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))


def _access(options: Mapping[str, Any]) -> tuple[list[Document], tuple[int, ...]]:
    """Return the credentials that a route admits, and the statuses that refusing others takes; public ones none."""
    rule, more = options.get("access"), options.get(REFUSES, ())
    if not isinstance(rule, Rule):
        return [{options[SCHEME]: []}] if SCHEME in options else [], more
    return [{"bearer": []}, *([{"api_key": []}] if rule.keys else [])], (*_WITH_CREDENTIAL, *more)


def _problem(status: int) -> Document:
    schema = {"$ref": _REF.format(name="Problem")}
    answer = {"description": HTTPStatus(status).phrase, "content": {PROBLEM_JSON: {"schema": schema}}}
    if status in {*_LIMITED, *_WITH_PLACE, *_WITH_CREDENTIAL, *_WITH_BODY} - {401}:
        answer["headers"] = _header_references(*(_LIMIT_HEADERS if status in _LIMITED else _ALWAYS_TOLD))
    return answer


def _header_references(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _any_value(_: type) -> Document:
    return {"description": "any JSON value"}
