"""The ASGI server: uvicorn on uvloop and httptools, one process, on a socket that is already bound."""

import socket
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import uvicorn

from governlayer_server.web.headers import SECURITY_HEADERS, Headers
from governlayer_server.web.observe import Observed
from governlayer_server.web.protocol import Protocol

_GRACE_S = 5
_KEEP_ALIVE_S = 15
_MAX_CONNECTIONS = 1024


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: whoever started us decides when to stop."""

    def __init__(self, app: Observed, on_ready: Callable[[], None], headers: Headers = SECURITY_HEADERS) -> None:
        # uvicorn wants a class, and only ever calls it.
        protocol: Any = partial(Protocol, app.refuse)
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http=protocol,
                ws="none",
                lifespan="off",
                headers=list(headers),
                server_header=False,
                proxy_headers=False,
                access_log=False,
                log_config=None,
                backlog=_MAX_CONNECTIONS,
                limit_concurrency=None,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    def capture_signals(self) -> Any:
        """Leave the signals alone."""
        return nullcontext()


def bind(host: str, port: int) -> socket.socket:
    """
    Return a bound socket; connections wait until the server accepts them.

    Raises:
        OSError: the port is taken, or may not be used.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # At once, so that nobody else can listen on it while the appliance starts.
        bound.listen(_MAX_CONNECTIONS)
    except OSError:
        bound.close()
        raise
    bound.set_inheritable(False)
    return bound
