"""Whose request it is: ``scope["client"]`` tells the client's address, through trusted proxies too."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from governlayer_server.domain.network import Network, client_address

_FORWARDED_FOR = b"x-forwarded-for"


class ClientAddress:
    """
    Wraps the whole application and puts the client's address into ``scope["client"]``, in its shortest form.

    Args:
        app: the application.
        trusted: the proxies whose X-Forwarded-For is believed; from anybody else it changes nothing.
    """

    def __init__(self, app: Any, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope.get("client"):
            peer, port = scope["client"]
            fields = [value.decode("latin-1") for name, value in scope["headers"] if name == _FORWARDED_FOR]
            address = client_address(peer, fields, self._trusted)
            scope["client"] = (address, port if address == peer else 0)
        await self._app(scope, receive, send)
