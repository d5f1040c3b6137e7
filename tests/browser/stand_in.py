"""The pages as the appliance serves them, over endpoints that answer what a test wants, trouble included."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from governlayer_server.console.account import account_routes
from governlayer_server.console.pages import Assets, static_route
from governlayer_server.web.edge import Csp
from governlayer_server.web.headers import security_headers
from litestar import Litestar, Request, Response, post
from litestar.params import JSONBody

WAIT_S = 30.0
REGISTERED = {
    "organization": {"id": "018f6d5c-7a2b-7c11-9d2e-0123456789ab", "name": "Acme Bikes", "plan": "free"},
    "user": {"id": "018f6d5c-7a2b-7c11-9d2e-ba9876543210", "role": "owner"},
}


def problem(status: int, detail: str, *errors: tuple[str, str]) -> Response[dict[str, Any]]:
    """Return a problem document as the appliance makes them."""
    body: dict[str, Any] = {"type": "/problems/x", "title": "x", "status": status, "detail": detail, "code": "x"}
    if errors:
        body["errors"] = [{"pointer": pointer, "detail": text} for pointer, text in errors]
    return Response(body, status_code=status, media_type="application/problem+json")


class StandIn:
    """A server on a free port. ``answer`` is given to each POST, as soon as ``may_answer`` is set."""

    def __init__(self, csp: Csp) -> None:
        self.csp = csp
        self.url = ""
        self.heads: list[str] = []
        self.posted: list[tuple[str, Any]] = []
        self.answer: Response[Any] = Response(None, status_code=204)
        self.may_answer = threading.Event()
        self.reset()

    def reset(self) -> None:
        """Forget what was asked, and answer at once."""
        self.heads.clear()
        self.posted.clear()
        self.may_answer.set()

    @contextmanager
    def serving(self) -> Iterator["StandIn"]:
        """Serve while the block runs."""
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            headers = [*security_headers(self.csp)]
            config = uvicorn.Config(self._app(), log_level="error", lifespan="off", headers=headers)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
            thread.start()
            try:
                yield self
            finally:
                self.may_answer.set()
                server.should_exit = True
                thread.join(WAIT_S)

    def _app(self) -> Litestar:
        @post(["/v1/auth/register", "/v1/auth/reset"])
        async def answer(request: Request[Any, Any, Any], data: JSONBody[dict[str, Any]]) -> Response[Any]:
            self.posted.append((request.url.path, data))
            assert await asyncio.to_thread(self.may_answer.wait, WAIT_S)
            return self.answer

        async def note(request: Request[Any, Any, Any]) -> None:
            self.heads.append(f"{request.method} {request.url} {dict(request.headers)}")

        assets = Assets.shipped()
        pages = [*account_routes(assets), static_route(assets), answer]
        return Litestar(pages, before_request=note, openapi_config=None)
