"""
Rate limits at the door (API contract §1, §3).

``Throttle`` is the first layer and limits client addresses; ``Spending`` stands behind authentication and limits keys,
organizations and users. Both leave in the request's state where the limits stand; ``web/observe.py`` puts that on the
answer.

A request without a valid credential costs its address; who exhausted it is refused before anything is looked up. A
credential that was good here within the last minute goes past that, so that a stranger behind the same proxy cannot
shut a customer out. The address is the client's: the socket's peer, or who is named by a trusted proxy
(``web/client.py``).
"""

from collections import OrderedDict
from hashlib import blake2b

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from governlayer_server.domain.errors import GovernLayerError, NotAuthenticated, RateLimited
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.ports import Clock, Entropy
from governlayer_server.usecases.count_usage import RATE_LIMITED
from governlayer_server.usecases.limit_requests import LimitRequests
from governlayer_server.web.authenticate import Note, credential, is_admitted, needs_principal
from governlayer_server.web.headers import LIMITS

UNLIMITED = "unlimited"
OWN_LIMIT = "own_limit"
"""Option of a route: its requests spend from the user's own limit, and never from the organization's."""
_GOOD_FOR_US = MINUTE_US
_MOST_CREDENTIALS = 10_000


class Throttle(ASGIMiddleware):
    """Limits the requests of client addresses, except to routes with ``opt["unlimited"]``."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, limit_requests: LimitRequests, clock: Clock, entropy: Entropy) -> None:
        self._limit = limit_requests
        self._good = GoodCredentials(clock, entropy)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """
        Serve the request.

        Raises:
            RateLimited: the address has made too many requests without a valid credential. Nothing was looked up.
        """
        if scope["route_handler"].opt.get(UNLIMITED):
            await next_app(scope, receive, send)
            return
        given = _credential_of(scope)
        if given is None or given not in self._good:
            client = scope.get("client")
            verdict = await self._limit.address(client[0] if client else None)
            if not verdict.admitted:
                scope["state"][LIMITS] = verdict.standings
                raise RateLimited(verdict)
        try:
            await next_app(scope, receive, send)
        except NotAuthenticated:
            if given is not None:
                self._good.forget(given)
            raise
        finally:
            if given is not None and scope.get("auth"):
                self._good.keep(given)


class Spending(ASGIMiddleware):
    """
    Lets a principal's request spend from its key's and its organization's limits.

    What the route's rule refuses costs the organization nothing: who may do nothing keeps nobody else from doing it.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, limit_requests: LimitRequests, clock: Clock, note: Note) -> None:
        self._limit = limit_requests
        self._clock = clock
        self._note = note

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """
        Serve the request if it is admitted.

        Raises:
            RateLimited: the key, the organization or the user has made too many. This one cost nothing.
        """
        if needs_principal(scope):
            principal = scope["auth"]
            own = OWN_LIMIT in scope["route_handler"].opt or not is_admitted(scope, self._clock.now_us())
            verdict = await self._limit.principal(principal, own=own)
            scope["state"][LIMITS] = verdict.standings
            if not verdict.admitted:
                self._note(principal.organization_id, principal.id, RATE_LIMITED)
                raise RateLimited(verdict)
        await next_app(scope, receive, send)


class GoodCredentials:
    """Which credentials were good within the last minute: keyed hashes of them, at most 10,000."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self._clock = clock
        self._key = entropy.bytes(32)
        self._until_us: OrderedDict[bytes, int] = OrderedDict()

    def __contains__(self, given: str) -> bool:
        return self._until_us.get(self._hash(given), 0) > self._clock.monotonic_us()

    def keep(self, given: str) -> None:
        """Remember that *given* is good."""
        hashed = self._hash(given)
        self._until_us.pop(hashed, None)
        self._until_us[hashed] = self._clock.monotonic_us() + _GOOD_FOR_US
        if len(self._until_us) > _MOST_CREDENTIALS:
            self._until_us.popitem(last=False)

    def forget(self, given: str) -> None:
        """*given* is good no more."""
        self._until_us.pop(self._hash(given), None)

    def _hash(self, given: str) -> bytes:
        return blake2b(given.encode(), key=self._key, digest_size=16).digest()


def _credential_of(scope: Scope) -> str | None:
    """Return the credential of a request to a route that needs one; None if it has none that could be good."""
    if not needs_principal(scope):
        return None
    try:
        return credential(scope["headers"])
    except GovernLayerError:
        return None
