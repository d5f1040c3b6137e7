"""An audit service on this machine, which speaks as much of OSV's API as pip-audit uses."""

import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

KNOWN = {("jinja2", "2.10"): "PYSEC-2019-217", ("pyyaml", "5.3"): "PYSEC-2020-96"}


class AuditService:
    """Answers queries from `known`, which has the id of a vulnerability by name and version."""

    def __init__(self) -> None:
        self.known: Mapping[tuple[str, str], str] = dict(KNOWN)
        self.asked: list[tuple[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                content = json.dumps(service.answer(query["package"]["name"], query["version"])).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/query"

    def answer(self, name: str, version: str) -> Mapping:
        self.asked.append((name, version))
        if (name, version) not in self.known:
            return {}
        return {"vulns": [{"id": self.known[name, version], "summary": "bad", "affected": []}]}

    def __enter__(self) -> "AuditService":
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[AuditService]:
    with AuditService() as running:
        yield running
