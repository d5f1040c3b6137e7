"""An appliance that keeps a real ledger, and clients that live as long as a test."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import httpx
from governlayer import AsyncGovernLayer, Checkpoint, Decision, GovernLayer

from tests.sdk.ledger_builder import Key, LedgerBuilder
from tests.sdk.sdk_support import ASK, BASE_URL, KEY, problem


class FakeAppliance:
    """
    Answers like the appliance, from *ledger*, which a test may exchange or change between two questions.

    *change* has the last word on each answer; paths in *broken* answer 503; without *audits* the key lacks the scope.
    """

    def __init__(self, ledger: LedgerBuilder | None = None) -> None:
        self.ledger = ledger or LedgerBuilder()
        self.listed: list[Key] | None = None
        self.change: Callable[[dict[str, Any]], Any] = lambda answer: None
        self.decision = "allow"
        self.broken: set[str] = set()
        self.audits = True
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.asked.append(request.url.raw_path.decode())
            if request.url.path in self.broken:
                return problem(503, "unavailable")
            return self._answer(request)

    def count(self, start: str) -> int:
        return sum(path.startswith(start) for path in self.asked)

    def proofs(self) -> Counter[tuple[int, int]]:
        """Return the proofs of consistency that were asked for, by sizes."""
        asked = [parse_qs(path.partition("?")[2]) for path in self.asked if "/consistency" in path]
        return Counter((int(one["from"][0]), int(one["to"][0])) for one in asked)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, dict(request.url.params)
        if path == "/v1/govern":
            return self._govern(request)
        if path == "/.well-known/governlayer":
            listed = self.ledger.signing if self.listed is None else self.listed
            keys = [*(key.vkey for key in listed), "governlayer.test+00000000+BgAA"]  # the last is no Ed25519 key
            return httpx.Response(200, json={"deployment": "governlayer.test", "version": "1", "ledger_keys": keys})
        if path == "/v1/ledger/proofs/consistency":
            return self._consistency(int(query["from"]), int(query["to"]))
        if path.startswith("/v1/ledger/records") and self.audits:
            return self._records(path, query)
        return problem(403, "missing_scope") if path.startswith("/v1/ledger/") else httpx.Response(404)

    def _govern(self, request: httpx.Request) -> httpx.Response:
        question = json.loads(request.content)
        answer = self.ledger.decide(question, request.headers["idempotency-key"], self.decision)
        changed = self.change(answer)
        return httpx.Response(200, json=answer if changed is None else changed)

    def _consistency(self, old: int, new: int) -> httpx.Response:
        if not 0 < old <= new <= self.ledger.size:
            return problem(422, "invalid_request")
        return httpx.Response(200, json=self.ledger.consistency(old, new))

    def _records(self, path: str, query: dict[str, str]) -> httpx.Response:
        if path.endswith("/receipt"):
            return httpx.Response(200, text=self.ledger.receipt(int(path.split("/")[-2]), self.ledger.size))
        found = [json.loads(record) for record in self.ledger.records]
        data = [{"hash": "", "record": record} for record in found if record["type"] == query["type"]]
        return httpx.Response(200, json={"data": data, "next_cursor": None})


class Session:
    """Either client, alive over many calls."""

    def __init__(self, kind: str, handler: Callable[[httpx.Request], httpx.Response], **options: Any) -> None:
        transport = httpx.MockTransport(handler)
        settings: dict[str, Any] = {"api_key": KEY, "base_url": BASE_URL, "timeout_s": 30, **options}
        self._runner = asyncio.Runner() if kind == "async" else None
        if kind == "sync":
            self.client: Any = GovernLayer(**settings, http_client=httpx.Client(transport=transport))
        else:
            self.client = AsyncGovernLayer(**settings, http_client=httpx.AsyncClient(transport=transport))

    def govern(self, **ask: Any) -> Decision:
        return self._run(self.client.govern(**{**ASK, **ask}))

    def verify_now(self) -> Checkpoint | None:
        return self._run(self.client.ledger.verify_now())

    def kept(self) -> int | None:
        """Return the size of the checkpoint that is kept."""
        checkpoint = self.client.ledger.checkpoint()
        return checkpoint and checkpoint.size

    def _run(self, result: Any) -> Any:
        return result if self._runner is None else self._runner.run(result)

    def close(self) -> None:
        if self._runner:
            self._runner.close()


@contextmanager
def served(handler: Callable[[httpx.Request], httpx.Response]) -> Iterator[str]:
    """Serve *handler* on loopback over real connections; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = f"http://{self.headers['host']}{self.path}"
            answer = handler(httpx.Request(self.command, url, headers=dict(self.headers.items()), content=body))
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("content-type", ""))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # more than any test opens at once

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
