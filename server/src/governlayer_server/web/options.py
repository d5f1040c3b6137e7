"""OPTIONS names every method of a path: Litestar's own answer knows those of the path's first handler only."""

from typing import Any

from litestar import Litestar, Response
from litestar.enums import MediaType
from litestar.routes import HTTPRoute


def complete_options(app: Litestar) -> None:
    """Make the answers to OPTIONS true, for all routes of *app*."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            handler, _ = route.route_handler_map["OPTIONS"]
            handler._fn = _answer(", ".join(sorted(route.methods)))  # there is no public way


def _answer(allow: str) -> Any:
    def answer(scope: Any) -> Response[None]:  # noqa: ARG001  # what Litestar calls it with
        return Response(None, status_code=204, headers={"Allow": allow}, media_type=MediaType.TEXT)

    return answer
