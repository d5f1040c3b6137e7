"""``GET /metrics``: figures for Prometheus, for whoever has the token. The route exists only where there is a token."""

from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.web.authenticate import PUBLIC, REFUSES, SCHEME, credential

MEDIA_TYPE = "text/plain; version=0.0.4"
Exposition = Callable[[], Awaitable[bytes]]


def metrics_route(token: str) -> HTTPRouteHandler:
    """
    Return the route, open to *token* alone, as ``Authorization: Bearer <token>``.

    Raises (the route):
        NotAuthenticated: no token, or another one. Nothing was gathered.
    """

    # Nobody's credential: the caller is no principal, so authentication passes it by and the route asks by itself.
    @get(
        "/metrics",
        opt={"access": PUBLIC, SCHEME: "metrics_token", REFUSES: (401,)},
        operation_id="metrics",
        summary="Figures for Prometheus",
        media_type="text/plain",
    )
    async def metrics(request: Request[Any, Any, Any], exposition: NamedDependency[Exposition]) -> Response[bytes]:
        """Return the figures in Prometheus' text format; needs the metrics token, which opens nothing else."""
        given = credential(pair for pair in request.scope["headers"] if pair[0] == b"authorization")
        if not compare_digest(given, token):
            raise NotAuthenticated
        return Response(await exposition(), media_type=MEDIA_TYPE)

    return metrics
