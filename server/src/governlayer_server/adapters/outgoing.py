"""Requests to what the operator named, and to nothing else: no redirects, no proxies of the environment, 5 seconds."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.domain.errors import ConfigurationError, Unavailable
from governlayer_server.domain.network import is_loopback

_TIMEOUT_S = 5.0
_MAX_ANSWER_BYTES = 65_536


class OutgoingClient:
    """
    Sends requests to one server, one at a time, over HTTPS whose certificate is verified.

    Args:
        url: ``https://…``; plain HTTP for loopback only.
        ca: certificates (PEM) that alone are trusted; None: those of the system.

    Raises:
        ConfigurationError: the URL is of another kind, or the certificates cannot be read.
    """

    def __init__(self, url: str, ca: Path | None) -> None:
        self._url = checked_url(url)
        self._one = asyncio.Lock()
        self._client = httpx.AsyncClient(
            verify=client_context(ca),
            timeout=_TIMEOUT_S,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=30.0),
            # Not compressed: so what is read is what was sent, and no more.
            headers={"user-agent": "governlayer", "accept-encoding": "identity"},
        )

    async def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """
        Return status and body of the answer to ``POST <url><path>``.

        Raises:
            Unavailable: there was none within 5 seconds, or one of more than 65,536 bytes.
        """
        try:
            async with self._one, asyncio.timeout(_TIMEOUT_S):
                return await self._post(path, content, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError):
            raise Unavailable("there was no answer in time") from None

    async def _post(self, path: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        body = b""
        async with self._client.stream("POST", self._url + path, content=content, headers=dict(headers)) as answer:
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise Unavailable("the answer is too long")
        return answer.status_code, body

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def checked_url(url: str) -> str:
    """
    Return *url* without a slash at its end.

    Raises:
        ConfigurationError: it is not ``https://host[:port][/path]``, or plain HTTP to another host than this one.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError("the URL of a server outside is malformed") from None
    bare = not (parts.query or parts.fragment or "@" in parts.netloc)
    if not host or not bare or parts.scheme not in {"https", "http"}:
        raise ConfigurationError("the URL of a server outside is https://host[:port][/path]")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(f"plain HTTP is for loopback only, and {host} is not: give its https:// URL")
    return url.rstrip("/")
