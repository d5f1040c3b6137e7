"""The seven headers under both settings, byte for byte and once, whoever makes the answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.web import protocol
from governlayer_server.web.edge import Csp
from governlayer_server.web.headers import security_headers
from governlayer_server.web.server import Server, bind

from tests.server.web.conftest import METRICS_TOKEN, Site

# The contract's own text (API contract §1), not the server's constants.
SIX = [
    b"strict-transport-security: max-age=63072000; includeSubDomains; preload",
    b"x-content-type-options: nosniff",
    b"x-frame-options: DENY",
    b"x-xss-protection: 1; mode=block",
    b"referrer-policy: strict-origin-when-cross-origin",
    b"permissions-policy: camera=(), microphone=(), geolocation=()",
]
POLICIES = {
    Csp.DEFAULT: (
        b"content-security-policy: default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' "
        b"'unsafe-inline'; img-src 'self' data: https:; font-src 'self' https://fonts.gstatic.com; connect-src 'self'"
    ),
    Csp.STRICT: (
        b"content-security-policy: default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"font-src 'self'; connect-src 'self'"
    ),
}
NAMES = {line.partition(b":")[0] for line in SIX} | {b"content-security-policy"}
HOST = b"Host: a\r\nConnection: close\r\n"
GOVERN = b"POST /v1/govern HTTP/1.1\r\n" + HOST
BODY = b'{"stage":"input","agent":{"id":"a"},"action":{"name":"n"}}'


def get(path: str, extra: bytes = b"") -> bytes:
    return b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + extra + b"\r\n"


def govern(key: str, body: bytes, media_type: bytes = b"application/json") -> bytes:
    lines = b"X-API-Key: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n" % (key.encode(), media_type, len(body))
    return GOVERN + lines + body


def requests(key: str) -> dict[str, tuple[int, bytes]]:
    """What is sent, by who answers it: status and bytes."""
    return {
        "route": (200, get("/livez")),
        "page": (200, get("/docs")),
        "metrics": (200, get("/metrics", f"Authorization: Bearer {METRICS_TOKEN}\r\n".encode())),
        "framework: no body": (204, b"OPTIONS /livez HTTP/1.1\r\n" + HOST + b"\r\n"),
        "application: no credential": (401, get("/v1/ledger")),
        "framework: no route": (404, get("/nowhere")),
        "application: no contact": (404, get("/.well-known/security.txt")),
        "static: no file": (404, get("/static/none.css")),
        "framework: no method": (405, b"DELETE /livez HTTP/1.1\r\n" + HOST + b"\r\n"),
        "body: not JSON": (400, govern(key, b"{")),
        "body: too large": (413, govern(key, b" " * 1_048_577)),
        "body: media type": (415, govern(key, BODY, b"text/plain")),
        "body: wrong": (422, govern(key, b"{}")),
        "application: ledger away": (503, govern(key, BODY)),
        "ASGI server: not HTTP": (400, b"GARBAGE\r\n\r\n"),
        "ASGI server: bad header": (400, get("/livez", b"X Any: 1\r\n")),
        "protocol: head too large": (431, get("/" + "a" * 40_000)),
        "protocol: too slow": (408, b"GET /livez HTTP/1.1\r\nHo"),
    }


class Running(NamedTuple):
    """A server on a socket, and a key for it."""

    csp: Csp
    port: int
    site: Site
    key: str


@pytest.fixture(params=Csp)
async def running(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(protocol, "_HEAD_S", 0.5)
    site = Site()
    key = await site.appliance.key_for(await site.appliance.start())
    ready = asyncio.Event()
    server = Server(site.app, ready.set, headers=security_headers(request.param))
    bound = bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    await ready.wait()
    yield Running(request.param, bound.getsockname()[1], site, key)
    server.should_exit = True
    await serving


async def exchange(port: int, sent: bytes) -> tuple[int, list[bytes]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    writer.close()
    return int(head[0].split()[1]), [line.partition(b":")[0].lower() + b":" + line.partition(b":")[2] for line in head]


async def test_every_origin_of_answers_carries_exactly_the_seven(running: Running) -> None:
    expected = sorted([*SIX, POLICIES[running.csp]])
    for origin, (status, sent) in requests(running.key).items():
        running.site.appliance.ledger.failure = LedgerUnavailable("away") if status == 503 else None
        seen, lines = await exchange(running.port, sent)
        assert seen == status, origin
        assert sorted(line for line in lines if line.partition(b":")[0] in NAMES) == expected, origin


async def test_what_nobody_expected_carries_them_too(running: Running) -> None:
    running.site.appliance.ledger.failure = RuntimeError("CANARY")
    seen, lines = await exchange(running.port, govern(running.key, BODY))
    assert seen == 500
    found = sorted(line for line in lines if line.partition(b":")[0] in NAMES)
    assert found == sorted([*SIX, POLICIES[running.csp]])
