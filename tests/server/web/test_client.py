"""``scope["client"]`` tells whose request it is: from the socket, or through the operator's own proxies."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.adapters.tls.served import ServedCertificate
from governlayer_server.domain.network import parse_networks
from governlayer_server.web.server import Server, bind

from tests.fakes.tls import server_pair


class Mirror:
    """An application that answers what it is told about the client."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        told = json.dumps({"client": scope["client"], "scheme": scope["scheme"]}).encode()
        length = (b"content-length", str(len(told)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": told})

    def refuse(self, code: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        return 400, [], code.encode()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None, trusted: list[str], host: str = "127.0.0.1") -> AsyncIterator[int]:
    ready = asyncio.Event()
    app: Any = Mirror()
    server = Server(app, ready.set, tls=tls, trusted_proxies=parse_networks(trusted))
    bound = bind(host, 0)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    await ready.wait()
    yield bound.getsockname()[1]
    server.should_exit = True
    await task


async def told(port: int, *forwarded_for: str) -> Any:
    headers = [("X-Forwarded-For", value) for value in forwarded_for]
    # What other proxies write changes nothing.
    headers += [("Forwarded", "for=9.9.9.9"), ("X-Real-IP", "9.9.9.9"), ("X-Forwarded-Proto", "https")]
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://127.0.0.1:{port}/", headers=headers)).json()


@pytest.mark.parametrize(
    "forwarded_for", [[], ["203.0.113.9"], ["127.0.0.1"], ["1.1.1.1", "203.0.113.9, 127.0.0.1"], ["unknown"]]
)
async def test_nobody_is_believed_by_default(forwarded_for: list[str]) -> None:
    async with serving(None, []) as port:
        seen = await told(port, *forwarded_for)
    assert seen["client"][0] == "127.0.0.1"
    assert seen["client"][1] > 0
    assert seen["scheme"] == "http"


async def test_a_stranger_is_not_believed() -> None:
    async with serving(None, ["10.0.0.0/8"]) as port:
        assert (await told(port, "203.0.113.9"))["client"][0] == "127.0.0.1"


async def test_through_a_trusted_proxy_the_right_most_hop_that_is_none_is_the_client() -> None:
    async with serving(None, ["127.0.0.1", "10.0.0.0/8"]) as port:
        assert (await told(port, "203.0.113.9"))["client"] == ["203.0.113.9", 0]
        assert (await told(port, "1.1.1.1", "203.0.113.9, 10.0.0.7"))["client"] == ["203.0.113.9", 0]
        assert (await told(port))["client"][0] == "127.0.0.1"


async def test_over_tls_the_application_knows_it(tmp_path: Path) -> None:
    pair = server_pair(tmp_path)
    served = ServedCertificate(pair.certificate, pair.key)
    async with serving(served.context, []) as port, httpx.AsyncClient(verify=client_context(pair.ca)) as client:
        seen = (await client.get(f"https://127.0.0.1:{port}/")).json()
    assert (seen["scheme"], seen["client"][0]) == ("https", "127.0.0.1")


async def test_it_listens_on_ipv6() -> None:
    async with serving(None, [], "::1") as port, httpx.AsyncClient() as client:
        assert (await client.get(f"http://[::1]:{port}/")).json()["client"][0] == "::1"


@pytest.mark.parametrize("host", ["localhost", "example.com"])
def test_a_name_is_never_looked_up_to_listen(host: str) -> None:
    with pytest.raises(OSError, match="Name or service not known"):
        bind(host, 0)
