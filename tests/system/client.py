"""A plain HTTP client that sees every header as often as it stands, and checks the seven on every answer."""

import http.client
import json
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

# The contract's own text (API contract §1), not the server's constants.
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: https:; font-src 'self' https://fonts.gstatic.com; connect-src 'self'"
    ),
}
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
JSON = {"Content-Type": "application/json"}
Headers = Mapping[str, str | bytes]


class Answer(NamedTuple):
    """A response as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        """Return the value of a header that must stand exactly once."""
        (value,) = self.all(name)
        return value

    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self, status: int, code: str) -> Any:
        """Return the body, which must be the problem document of *code* (RFC 9457, API contract §1)."""
        assert self.status == status, self.body
        assert self.header("Content-Type") == "application/problem+json"
        document = self.json()
        assert document["code"] == code, document
        assert document["status"] == status
        assert document["type"] == f"/problems/{code}"
        assert document["title"]
        assert document["detail"]
        assert document["request_id"] == self.header("X-Request-Id")
        return document

    def checked(self) -> Self:
        """Return this answer; all that every response carries must be there, exactly once and exactly so."""
        for name, value in SECURITY_HEADERS.items():
            assert self.all(name) == [value], (self.status, name, self.all(name))
        assert _ID.fullmatch(self.header("X-Request-Id"))
        assert self.all("Server") == []
        return self


class Client:
    """One connection at a time to the appliance at *port*; opened again when it was lost."""

    def __init__(
        self, port: int, key: str | None = None, timeout_s: float = 20.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._connection = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout_s, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        )
        self.key = key or ""

    def ask(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, headers: Headers | None = None
    ) -> Answer:
        """Return the answer, checked; raise OSError or HTTPException when none comes."""
        given = {"X-API-Key": self.key} if self.key else {}
        try:
            self._send(method, path, body, {**given, **(headers or {})})
            return read_answer(self._connection.getresponse())
        except BaseException:
            self._connection.close()
            raise

    def _send(self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: Headers) -> None:
        chunked = not (body is None or isinstance(body, bytes))
        try:
            self._connection.request(method, path, body, headers, encode_chunked=chunked)
        except (BrokenPipeError, ConnectionResetError):
            # Refused before it was read to its end: the answer is there.
            return

    def get(self, path: str, headers: Headers | None = None) -> Answer:
        return self.ask("GET", path, None, headers)

    def govern(self, question: object, headers: Headers | None = None) -> Answer:
        return self.ask("POST", "/v1/govern", json.dumps(question).encode(), {**JSON, **(headers or {})})

    def size(self) -> int:
        """Return how many records the ledger has."""
        answer = self.get("/v1/ledger")
        assert answer.status == 200, answer.body
        return int(answer.json()["size"])

    def close(self) -> None:
        self._connection.close()


def read_answer(response: http.client.HTTPResponse) -> Answer:
    """Return *response* once it is read and checked."""
    body = response.read()
    return Answer(response.status, response.getheaders(), body).checked()


def question(**members: Any) -> dict[str, Any]:
    """Return a good question that is allowed, with *members* in place of its own."""
    base = {"stage": "input", "agent": {"id": "agent-1"}, "action": {"name": "chat"}}
    return {**base, "content": [{"role": "user", "text": "hello"}], **members}
