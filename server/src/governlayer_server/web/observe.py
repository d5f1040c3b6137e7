"""The outermost layer: a request id on every answer, one line of the access log, and one count in the metrics."""

from collections.abc import Callable, MutableMapping
from typing import Any

from governlayer_server.domain.access import Principal
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.ports import Clock, Entropy
from governlayer_server.usecases.new_id import new_id
from governlayer_server.web.headers import limit_headers
from governlayer_server.web.problems import KINDS, PROBLEM_JSON, document

ASGIScope = MutableMapping[str, Any]
ASGIMessage = MutableMapping[str, Any]
LogLine = Callable[..., object]
# Template of the route, method, status, latency in microseconds.
Measure = Callable[[str, str, int, int], None]


class Observed:
    """Wraps the whole application. The log line is an allow-list: path template, never path, query or body."""

    def __init__(self, app: Any, clock: Clock, entropy: Entropy, log: LogLine, measure: Measure) -> None:
        self._app = app
        self._clock = clock
        self._entropy = entropy
        self._log = log
        self._measure = measure

    async def __call__(self, scope: ASGIScope, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_us = self._clock.monotonic_us()
        request_id = str(new_id(self._clock, self._entropy))
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        status = 0

        async def send_with_id(message: ASGIMessage) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                added = [(b"x-request-id", request_id.encode()), *limit_headers(scope["state"])]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._tell(scope, request_id, status, self._clock.monotonic_us() - start_us)

    def refuse(self, code: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body of the answer to what never became a request, and log it."""
        request_id = str(new_id(self._clock, self._entropy))
        kind = KINDS[code]
        body = document(code, kind.advice, request_id)
        headers = [
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        self._tell({"method": ""}, request_id, kind.status, 0)
        return kind.status, headers, body

    def _tell(self, scope: ASGIScope, request_id: str, status: int, latency_us: int) -> None:
        route = scope.get("path_template", "")
        self._measure(route, scope["method"], status, latency_us)
        self._log(
            "request",
            request_id=request_id,
            method=scope["method"],
            route=route,
            status=status,
            latency_us=latency_us,
            **_who(scope.get("auth")),
        )


def _who(principal: Principal | None) -> dict[str, str | None]:
    """Name who asked: the organization, and the key or the user."""
    if principal is None:
        return {"organization_id": None, "key_id": None}
    kind = "user_id" if principal.kind is ActorKind.USER else "key_id"
    return {"organization_id": str(principal.organization_id), "key_id": None, kind: principal.id}
