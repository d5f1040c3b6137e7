"""Requests that carry a canary in every place that a client can fill, on every route that the appliance has."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from tests.fakes.canaries import Canaries
from tests.system.client import JSON, Client, Headers, question

HEADERS = (
    "User-Agent", "Cookie", "Idempotency-Key", "Referer", "Origin", "Accept", "X-Forwarded-For", "X-Request-Id",
    "Traceparent", "X-Any", "If-None-Match", "Range",
)  # fmt: skip
WITH_BODY = frozenset({"post", "put", "patch"})


class Traffic:
    """Sends canaries; counts what came back by status."""

    def __init__(self, canaries: Canaries, port: int, key: str, metrics_token: str) -> None:
        self.statuses: dict[int, int] = {}
        self.answered = 0
        self.subjects: list[str] = []
        self._new = canaries.new
        self._port = port
        self._client = Client(port)
        self._credentials: dict[str, Headers] = {
            "bearer": {"X-API-Key": key},
            "metrics_token": {"Authorization": f"Bearer {metrics_token}"},
        }

    def send_everything(self) -> None:
        """Fill every route of the OpenAPI document, and the connection itself."""
        document = self._client.get("/openapi.json").json()
        for path, item in document["paths"].items():
            for method, operation in item.items():
                self._fill(method, path, operation)
        self._decide()
        for name, sent in self._malformed():
            self._raw(name, sent)

    def _fill(self, method: str, path: str, operation: dict[str, Any]) -> None:
        """Fill one operation: as who may use it, and as who may not."""
        name = f"{method} {path}"
        (kind, *_) = [kind for way in operation["security"] for kind in way] or ["bearer"]
        admitted = self._credentials[kind]
        for who, headers in (("admitted", admitted), ("nobody", {})):
            place = f"{name} by {who}"
            for url in self._urls(path, operation, place):
                self._ask(method, url, headers)
            for one in self._headers(place):
                self._ask(method, self._filled(path, "0"), {**headers, **one})
            self._ask(method, f"{self._filled(path, '0')}/{self._new(place + ' below')}", headers)
            self._ask("DELETE", f"{self._filled(path, '0')}?{self._new(place + ' other method')}", headers)
        self._wrong_credentials(method, path, name)
        if method in WITH_BODY:
            for body, media_type in self._bodies(name):
                self._ask(method, self._filled(path, "0"), {**admitted, "Content-Type": media_type}, body)

    def _urls(self, path: str, operation: dict[str, Any], place: str) -> Iterator[str]:
        if "{" in path:
            yield self._filled(path, self._new(f"{place} path"))
        good = self._filled(path, "0")
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                query = parameter["name"]
                yield f"{good}?{query}={self._new(f'{place} query {query}')}"
        yield f"{good}?{self._new(place + ' query name')}={self._new(place + ' query value')}"
        yield f"{good}?%ff{self._new(place + ' bad query')}%"

    def _headers(self, place: str) -> Iterator[Headers]:
        yield {name: self._new(f"{place} header {name}") for name in HEADERS}
        yield {self._new(f"{place} header name"): "1"}

    def _wrong_credentials(self, method: str, path: str, name: str) -> None:
        for form in ("Bearer {}", "Bearer gl_{}", "Basic {}", "{}"):
            self._ask(method, self._filled(path, "0"), {"Authorization": form.format(self._new(f"{name} {form}"))})
        for form in ("{}", "gl_{}"):
            self._ask(method, self._filled(path, "0"), {"X-API-Key": form.format(self._new(f"{name} key {form}"))})
        both = {"X-API-Key": self._new(f"{name} two"), "Authorization": f"Bearer {self._new(f'{name} two')}"}
        self._ask(method, self._filled(path, "0"), both)

    def _bodies(self, name: str) -> Iterator[tuple[bytes, str]]:
        def new(what: str) -> str:
            return self._new(f"{name} body {what}")

        json_type = JSON["Content-Type"]
        yield new("no JSON").encode(), json_type
        yield json.dumps(new("string")).encode(), json_type
        yield json.dumps({new("member"): new("value")}).encode(), json_type
        yield json.dumps(question(**{new("unknown member"): new("its value")})).encode(), json_type
        yield f'{{"{new("cut")}": "{new("cut value")}'.encode(), json_type
        twice = new("twice")
        yield f'{{"{twice}": 1, "{twice}": 2}}'.encode(), json_type
        yield new("media type").encode(), f"text/{new('media type')}"
        yield (new("too large") * 60_000).encode(), json_type
        for member in ("stage", "agent", "action", "content", "options", "data_classes", "approval_id", "resource"):
            yield json.dumps(question(**{member: new(f"wrong {member}")})).encode(), json_type
        yield json.dumps(question(stage="input", agent={"id": f"{new('bad id')} é"})).encode(), json_type
        yield json.dumps(question(options={"mode": new("mode")})).encode(), json_type

    def _decide(self) -> None:
        """Ask for decisions with canaries wherever content may stand, in every mode; each is answered."""
        for mode in ("enforce", "shadow", "dry_run", "enforce"):
            self.subjects.append(self._new("data subject"))
            body = question(
                stage="tool_call",
                agent={"id": "a", "instance": self._new("instance"), "on_behalf_of": self._new("on_behalf_of")},
                action={"name": "read", "arguments": {self._new("argument name"): [self._new("argument")]}},
                resource={"type": "t", "id": self._new("resource"), "attributes": {"a": self._new("attribute")}},
                content=[{"role": "user", "text": f"{self._new('content')} and jane.doe@example.com"}],
                data_subjects=[self.subjects[-1]],
                session={"id": self._new("session")},
                purpose=self._new("purpose"),
                options={"mode": mode, "receipt": True, "explain": True},
            )
            headers = {**self._credentials["bearer"], "Idempotency-Key": self._new("idempotency key")}
            assert self._client.govern(body, headers).status == 200

    def _malformed(self) -> Iterator[tuple[str, bytes]]:
        def new(what: str) -> bytes:
            return self._new(f"wire: {what}").encode()

        host, end = b"Host: a\r\n", b"\r\n\r\n"
        yield "garbage", new("garbage") + end
        yield "method", new("method") + b" /livez HTTP/1.1\r\n" + host + b"\r\n"
        yield "version", b"GET /livez HTTP/" + new("version") + end
        yield "space in path", b"GET /" + new("path") + b" " + new("path") + b" HTTP/1.1" + end
        yield (
            "absolute URL",
            b"GET http://u:%s@%s/%s HTTP/1.1\r\n" % (new("user"), new("host"), new("path")) + host + b"\r\n",
        )
        yield "CONNECT", b"CONNECT " + new("authority") + b":443 HTTP/1.1\r\n" + host + b"\r\n"
        yield "host", b"GET /livez HTTP/1.1\r\nHost: " + new("host") + end
        yield "no colon", b"GET /livez HTTP/1.1\r\n" + new("header without colon") + end
        yield "NUL", b"GET /livez HTTP/1.1\r\nX: " + new("header with NUL") + b"\0" + end
        yield "space in name", b"GET /livez HTTP/1.1\r\n" + new("name") + b" x: 1" + end
        yield "long path", b"GET /" + new("long path") + b"a" * 40_000 + b" HTTP/1.1" + end
        yield "long header", b"GET / HTTP/1.1\r\nX: " + new("long header") + b"a" * 70_000 + end
        yield "length", b"POST /v1/govern HTTP/1.1\r\n" + host + b"Content-Length: " + new("length") + end
        yield (
            "chunk",
            b"POST /v1/govern HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n" + new("chunk size") + end,
        )
        chunked = (
            b"POST /v1/govern HTTP/1.1\r\n"
            + host
            + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        yield (
            "extension and trailer",
            (
                chunked
                + b"2;"
                + new("extension")
                + b"="
                + new("extension")
                + b"\r\n{}\r\n0\r\n"
                + new("trailer")
                + b": x"
                + end
            ),
        )
        yield "unfinished", chunked + b"40\r\n" + new("unfinished body")

    def _raw(self, name: str, sent: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=20) as one, suppress(OSError):
            one.sendall(sent)
            if name == "unfinished":
                return
            answer = http.client.HTTPResponse(one)
            with suppress(http.client.HTTPException):
                answer.begin()
                self._count(answer.status)

    def _ask(self, method: str, url: str, headers: Headers, body: bytes | None = None) -> None:
        self._count(self._client.ask(method.upper(), url, body, headers).status)

    def _count(self, status: int) -> None:
        if status >= 500:
            raise ConnectionError(f"answered {status}")
        self.answered += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1

    @staticmethod
    def _filled(path: str, value: str) -> str:
        head, brace, rest = path.partition("{")
        return head + value + rest.partition("}")[2] if brace else head
