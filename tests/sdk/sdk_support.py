"""What the tests of the SDK share: a good answer, both clients behind one face, a server that misbehaves."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from governlayer import AsyncGovernLayer, Decision, GovernLayer
from hypothesis import HealthCheck, settings

KEY = "gl_canary" + "Zq7" * 9
BASE_URL = "https://governlayer.test"
KINDS = ("sync", "async")
# Properties here are about values: on a busy machine Hypothesis's first draw alone takes seconds.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ASK: dict[str, Any] = {"stage": "input", "agent": "billing-agent", "action": "answer", "content": "hello"}

_ANSWER: dict[str, Any] = {
    "decision_id": "dec_1",
    "decision": "allow",
    "enforced": True,
    "mode": "enforce",
    "reason_code": "permitted",
    "reason": "a policy permits it",
    "determined_by": "policy",
    "policies": [{"id": "base", "version": 3, "effect": "permit", "outcome": "allow"}],
    "policy_set": {"version": 7, "hash": "ab" * 32},
    "obligations": [{"type": "log", "target": "", "params": {"level": "info"}}],
    "risk": {"score": 12, "level": "low", "method": "glrs-1", "vector": "GLRS:1/D:P", "contributions": []},
    "scan": {"findings": []},
    "action_digest": "cd" * 32,
    "ledger": {
        "origin": "test/ledgers/1",
        "seq": 41,
        "hash": "0f" * 32,
        "prev_hash": "f0" * 32,
        "time": "2026-11-23T22:00:00.000000Z",
    },
    "timings_us": {"total": 900},
}


def answer(**changes: Any) -> dict[str, Any]:
    """Return a well-formed answer with *changes*; a change to ``...`` leaves the member out."""
    members = {**copy.deepcopy(_ANSWER), **changes}
    return {name: value for name, value in members.items() if value is not ...}


def problem(status: int, code: str, headers: dict[str, str] | None = None, **members: Any) -> httpx.Response:
    body = {"type": f"/problems/{code}", "title": "Title", "status": status, "code": code, **members}
    return httpx.Response(
        status,
        content=json.dumps(body).encode(),
        headers={"content-type": "application/problem+json", **(headers or {})},
    )


class Script:
    """A handler for httpx.MockTransport: plays its responses in turn, the last one for ever."""

    def __init__(self, *responses: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]):
        self._responses = list(responses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        turn = min(len(self.requests), len(self._responses)) - 1
        response = self._responses[turn]
        if isinstance(response, Exception):
            raise response
        if callable(response):
            return response(request)
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)


class Client:
    """
    Either client, used for one call at a time, so that one suite tests both.

    It tests what is before the ledger, with answers that are on none; the witness has sessions of its own.
    """

    def __init__(self, kind: str, handler: Callable[[httpx.Request], httpx.Response] | None, **options: Any):
        self._kind = kind
        self._handler = handler
        self._options = {"api_key": KEY, "base_url": BASE_URL, "verify_receipts": False, **options}

    def govern(self, **ask: Any) -> Decision:
        return self._call("govern", **{**ASK, **ask})

    def ready(self) -> bool:
        return self._call("ready")

    def _call(self, method: str, **arguments: Any) -> Any:
        options = dict(self._options)
        transport = None if self._handler is None else httpx.MockTransport(self._handler)
        if self._kind == "sync":
            if transport:
                options["http_client"] = httpx.Client(transport=transport)
            with GovernLayer(**options) as client:
                return getattr(client, method)(**arguments)

        async def call() -> Any:
            if transport:
                options["http_client"] = httpx.AsyncClient(transport=transport)
            async with AsyncGovernLayer(**options) as client:
                return await getattr(client, method)(**arguments)

        return asyncio.run(call())


Turn = Callable[[socket.socket], None]


class RawServer:
    """A server on loopback that answers each connection by the next turn of its script, the last for ever."""

    def __init__(self, *turns: Turn) -> None:
        self._turns = turns
        self.requests: list[bytes] = []
        self.closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.requests.append(read_request(connection))
                self._turns[min(len(self.requests), len(self._turns)) - 1](connection)
            except OSError:
                return

    def close(self) -> None:
        self.closing.set()
        self._listener.close()


@contextmanager
def raw_server(*turns: Turn) -> Iterator[RawServer]:
    server = RawServer(*turns)
    try:
        yield server
    finally:
        server.close()


def read_request(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0].partition(b":")[2]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http_bytes(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def says(data: bytes) -> Turn:
    return lambda connection: connection.sendall(data)


def answers(**changes: Any) -> Turn:
    return says(http_bytes(200, json.dumps(answer(**changes)).encode(), "Content-Type: application/json"))


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs(connection: socket.socket) -> None:
    connection.settimeout(10)
    connection.recv(1)


def drips(data: bytes) -> Turn:
    """Send a byte each 50 ms: every single read is fast, the whole takes for ever."""

    def turn(connection: socket.socket) -> None:
        for index in range(len(data)):
            connection.sendall(data[index : index + 1])
            time.sleep(0.05)

    return turn
