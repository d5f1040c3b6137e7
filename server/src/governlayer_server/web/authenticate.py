"""
Who asks: API key → principal, and whether the route admits it.

Every route states its rule in ``opt["access"]``: ``PUBLIC``, or a ``domain.access.Rule``. A route without a rule is
refused, whoever asks.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from governlayer_server.domain import access
from governlayer_server.domain.errors import AmbiguousCredentials, Forbidden, NotAuthenticated
from governlayer_server.ports import Clock
from governlayer_server.usecases.count_usage import ADMITTED, FORBIDDEN

PUBLIC = "public"
REFUSES = "refuses"
ALSO = "also"
"""Option of a route: statuses that it answers besides those that follow from its rule, parameters and body."""
SCHEME = "scheme"
"""Option of a public route: the security scheme of the credential that it checks by itself."""
UserRequest = Request[Any, access.Principal, Any]
"""A request on a route that needs a principal."""
Note = Callable[[UUID, str, str], object]
Authenticator = Callable[[str, str | None], Coroutine[Any, Any, access.Principal]]


class Authentication(ASGIMiddleware):
    """Puts the principal into ``scope["auth"]``, or ends the request."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, authenticate: Authenticator) -> None:
        self._authenticate = authenticate

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """
        Find out who asks, if the route needs a principal.

        Raises:
            NotAuthenticated: no credential, or none that is valid.
            AmbiguousCredentials: two different ones.
            Forbidden: the route has no rule.
        """
        if needs_principal(scope):
            if not isinstance(scope["route_handler"].opt.get("access"), access.Rule):
                raise Forbidden("this route has no access rule")
            client = scope["client"]
            scope["auth"] = await self._authenticate(credential(scope["headers"]), client[0] if client else None)
        await next_app(scope, receive, send)


class Authorization(ASGIMiddleware):
    """Ends the request of a principal who may not use the route."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, clock: Clock, note: Note) -> None:
        self._clock = clock
        self._note = note

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """
        Check the principal, if the route needs one, against the route's rule.

        Raises:
            Forbidden: the rule does not admit the principal.
        """
        if needs_principal(scope):
            self._require(scope["auth"], scope["route_handler"].opt["access"])
        await next_app(scope, receive, send)

    def _require(self, principal: access.Principal, rule: access.Rule) -> None:
        try:
            principal.require(rule, self._clock.now_us())
        except Forbidden:
            self._note(principal.organization_id, principal.id, FORBIDDEN)
            raise
        self._note(principal.organization_id, principal.id, ADMITTED)


def is_admitted(scope: Scope, now_us: int) -> bool:
    """Return whether the rule of the route admits the principal of the request."""
    try:
        scope["auth"].require(scope["route_handler"].opt["access"], now_us)
    except Forbidden:
        return False
    return True


def needs_principal(scope: Scope) -> bool:
    """Return whether the route is not public. OPTIONS the framework answers by itself: the methods of the route."""
    return scope["route_handler"].opt.get("access") != PUBLIC and scope.get("method") != "OPTIONS"


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """
    Return the one credential in *headers* (API contract §1).

    Raises:
        NotAuthenticated: there is none, or it is not ASCII text after ``Bearer``.
        AmbiguousCredentials: two that differ.
    """
    found = set()
    for name, value in headers:
        if name == b"x-api-key":
            found.add(value.strip())
        elif name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            if scheme.lower() != b"bearer":
                raise NotAuthenticated
            found.add(token.strip())
    if not found:
        raise NotAuthenticated("a credential is needed")
    if len(found) > 1:
        raise AmbiguousCredentials("two different credentials came with this request")
    try:
        return found.pop().decode("ascii")
    except UnicodeDecodeError:
        raise NotAuthenticated from None
