"""The ASGI server: uvicorn on uvloop and httptools, one process, on a socket that is already bound."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import uvicorn

from governlayer_server.domain.network import Network
from governlayer_server.web.client import ClientAddress
from governlayer_server.web.headers import SECURITY_HEADERS, Headers
from governlayer_server.web.observe import Observed
from governlayer_server.web.protocol import Protocol

_GRACE_S = 5
_KEEP_ALIVE_S = 15
# As long as a head may take; 60 s are asyncio's own.
_TLS_LIMITS = {"ssl_handshake_timeout": 5.0, "ssl_shutdown_timeout": 5.0}
_MAX_CONNECTIONS = 1024


class Server(uvicorn.Server):
    """
    uvicorn without its own signal handlers: whoever started us decides when to stop.

    Args:
        app: the application.
        on_ready: called when it serves.
        headers: stand on every response, the server's own errors included.
        tls: serve HTTPS with this; None: plain HTTP.
        trusted_proxies: whose X-Forwarded-For is believed.
    """

    def __init__(
        self,
        app: Observed,
        on_ready: Callable[[], None],
        *,
        headers: Headers = SECURITY_HEADERS,
        tls: ssl.SSLContext | None = None,
        trusted_proxies: Sequence[Network] = (),
    ) -> None:
        # uvicorn wants a class, and only ever calls it.
        protocol: Any = partial(Protocol, app.refuse)
        super().__init__(
            uvicorn.Config(
                ClientAddress(app, trusted_proxies),
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
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening on *sockets*, then say so. Unlike uvicorn's own, it bounds the handshakes of TLS."""
        loop, config = asyncio.get_running_loop(), self.config
        given: dict[str, Any] = {"config": config, "server_state": self.server_state, "app_state": {}}
        tls: dict[str, Any] = {"ssl": self._tls, **_TLS_LIMITS} if self._tls else {}
        self.servers = [
            await loop.create_server(
                partial(config.http_protocol_class, **given), sock=one, backlog=config.backlog, **tls
            )
            for one in sockets or ()
        ]
        self.started = True
        self._on_ready()

    def capture_signals(self) -> Any:
        """Leave the signals alone."""
        return nullcontext()


def bind(host: str, port: int) -> socket.socket:
    """
    Return a bound socket; connections wait until the server accepts them.

    Args:
        host: an IPv4 or IPv6 address.
        port: 1 to 65535; 0: any that is free.

    Raises:
        OSError: the address is none of this machine, or the port is taken or may not be used.
    """
    numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    family, kind, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric)[0]
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(where)
        # At once, so that nobody else can listen on it while the appliance starts.
        bound.listen(_MAX_CONNECTIONS)
    except OSError:
        bound.close()
        raise
    bound.set_inheritable(False)
    return bound
