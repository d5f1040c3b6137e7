"""What comes in on the socket may be anything: every answer is whole, carries the seven headers, and harms nobody."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import JSON, Answer, Client, question, read_answer

HEAD_LIMIT = 32_768
SLOW_HEAD_S = 5.0
SLOW_BODY_S = 15.0
HOST = b"Host: a\r\n"
POST = b"POST /v1/govern HTTP/1.1\r\nContent-Type: application/json\r\n" + HOST


def _get(lines: bytes) -> bytes:
    return b"GET /livez HTTP/1.1\r\n" + HOST + lines + b"\r\n"


GARBAGE = {
    "a word": b"GARBAGE\r\n\r\n",
    "binary": bytes(range(256)),
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "an SSH hello": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unknown version": b"GET /livez HTTP/9.9\r\n\r\n",
    "no version": b"GET /livez HTTP/\r\n\r\n",
    "lower case method": b"get /livez HTTP/1.1\r\n\r\n",
    "a space in the path": b"GET /li vez HTTP/1.1\r\n\r\n",
    "a bare name as path": b"GET livez HTTP/1.1\r\n\r\n",
    "not ASCII in the path": "GET /livéz HTTP/1.1\r\n\r\n".encode(),
    "CONNECT": b"CONNECT a.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "U+0000 in a header": _get(b"X-Any: a\x00b\r\n"),
    "a carriage return in a header": _get(b"X-Any: a\rb\r\n"),
    "DEL in a header": _get(b"X-Any: \x7f\r\n"),
    "a space in a header's name": _get(b"X Any: 1\r\n"),
    "a space before the colon": _get(b"X-Any : 1\r\n"),
    "a header without colon": _get(b"X-Any\r\n"),
    "a header without name": _get(b": 1\r\n"),
    "a folded header": _get(b"X-Any: a\r\n b\r\n"),
    "content length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two content lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a list of content lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "negative content length": POST + b"Content-Length: -1\r\n\r\n",
    "signed content length": POST + b"Content-Length: +2\r\n\r\n{}",
    "content length in words": POST + b"Content-Length: two\r\n\r\n{}",
    "content length beyond 64 bits": POST + b"Content-Length: 18446744073709551616\r\n\r\n{}",
    "content length and chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked is not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "bad chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "negative chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
}


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=SLOW_BODY_S + 5)


def _answer_on(one: socket.socket, method: str = "GET") -> Answer:
    response = http.client.HTTPResponse(one, method=method)
    response.begin()
    return read_answer(response)


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_not_http_gets_a_problem_document_and_the_connection_ends(shared: Appliance, name: str) -> None:
    with _connect(shared.port) as one:
        one.sendall(GARBAGE[name])
        _answer_on(one).problem(400, "bad_request")
        with suppress(ConnectionResetError):
            assert one.recv(1) == b""


def test_the_server_is_alive_and_nothing_was_recorded_after_all_garbage(shared: Appliance, client: Client) -> None:
    before = client.size()
    for sent in GARBAGE.values():
        with _connect(shared.port) as one:
            one.sendall(sent)
            one.shutdown(socket.SHUT_WR)
    assert client.govern(question()).json()["ledger"]["seq"] == before
    print(f"\ngarbage on the socket: {len(GARBAGE)}")


def test_a_head_over_the_limit_is_refused_however_it_is_made(shared: Appliance) -> None:
    heads = (
        _get(b"X-Any: " + b"a" * HEAD_LIMIT + b"\r\n"),
        _get(b"".join(b"X-%d: %s\r\n" % (n, b"a" * 100) for n in range(400))),
        b"GET /" + b"a" * HEAD_LIMIT + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\nX-" + b"a" * (2 * HEAD_LIMIT),
    )
    for head in heads:
        with _connect(shared.port) as one:
            one.sendall(head)
            _answer_on(one).problem(431, "head_too_large")


def test_an_endless_head_is_cut_off(shared: Appliance) -> None:
    endless = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(50_000))
    with _connect(shared.port) as one, pytest.raises((BrokenPipeError, ConnectionResetError)):
        one.sendall(endless)


def test_a_head_within_the_limit_is_served(shared: Appliance) -> None:
    with _connect(shared.port) as one:
        one.sendall(_get(b"X-Any: " + b"a" * (HEAD_LIMIT - 1000) + b"\r\n"))
        assert _answer_on(one).status == 200


def test_slow_clients_are_cut_off_while_others_are_served(shared: Appliance, client: Client) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(_connect(shared.port)) for _ in range(200)]
        half_head, trickled_head, half_body, half_chunk = (stack.enter_context(_connect(shared.port)) for _ in range(4))
        start = time.monotonic()
        half_head.sendall(b"GET /livez HTTP/1.1\r\nHo")
        half_body.sendall(_post(client, b"Content-Length: 1000\r\n") + b'{"stage":')
        half_chunk.sendall(_post(client, b"Transfer-Encoding: chunked\r\n") + b"9\r\n{")
        before = client.size()
        for byte in _trickle(b"GET /livez HTTP/1.1\r\nX-Slow: ", SLOW_HEAD_S + 0.5):
            with suppress(OSError):
                trickled_head.sendall(byte)
            assert client.get("/livez").status == 200
        _answer_on(half_head).problem(408, "too_slow")
        _answer_on(trickled_head).problem(408, "too_slow")
        assert [one.recv(1) for one in silent] == [b""] * 200
        for one in (half_body, half_chunk):
            _answer_on(one, "POST").problem(408, "too_slow")
        assert time.monotonic() - start < SLOW_BODY_S + 3
        assert client.size() == before


def _post(client: Client, length: bytes) -> bytes:
    return POST + b"X-API-Key: " + client.key.encode() + b"\r\n" + length + b"\r\n"


def _trickle(head: bytes, seconds: float) -> Iterator[bytes]:
    deadline = time.monotonic() + seconds
    for index in range(1_000_000):
        if time.monotonic() > deadline:
            return
        yield head[index : index + 1] or b"a"
        time.sleep(0.1)


def test_requests_in_a_row_on_one_connection_are_all_answered_before_the_garbage_after_them(
    shared: Appliance, client: Client
) -> None:
    body = json.dumps(question()).encode()
    good = _post(client, b"Content-Length: %d\r\n" % len(body)) + body
    with _connect(shared.port) as one:
        one.sendall(good + good + b"GARBAGE\r\n\r\n")
        stream = one.makefile("rb")
        seen = []
        for _ in range(2):
            head = b"".join(iter(stream.readline, b"\r\n"))
            seen.append(head.partition(b"\r\n")[0])
            length = next(line for line in head.splitlines() if line.startswith(b"content-length"))
            stream.read(int(length.split(b":")[1]))
        assert seen == [b"HTTP/1.1 200 OK"] * 2


def test_a_client_that_leaves_in_the_middle_harms_nobody(shared: Appliance, client: Client) -> None:
    body = json.dumps(question()).encode()
    head = _post(client, b"Content-Length: %d\r\n" % len(body))
    for sent in (head, head + body[:10], head + body):
        for _ in range(20):
            with _connect(shared.port) as one:
                one.sendall(sent)
    assert client.govern(question()).status == 200


def test_every_status_carries_the_seven_headers(shared: Appliance, acme: Tenant, client: Client) -> None:
    # ``Client`` checks all seven on each answer; here is one of each status that a running appliance gives.
    nobody = Client(shared.port)
    too_large = b" " * 1_048_577
    seen = {
        200: client.get("/livez"),
        400: client.ask("POST", "/v1/govern", b"{", JSON),
        401: nobody.get("/v1/ledger"),
        403: Client(shared.port, acme.keys["scan"]).get("/v1/ledger"),
        404: client.get("/no/such/path"),
        405: client.ask("DELETE", "/v1/govern"),
        413: client.ask("POST", "/v1/govern", too_large, JSON),
        415: client.ask("POST", "/v1/govern", b"{}", {"Content-Type": "text/plain"}),
        422: client.ask("POST", "/v1/govern", b"{}", JSON),
    }
    assert {status: answer.status for status, answer in seen.items()} == {status: status for status in seen}
    for status, answer in seen.items():
        if status != 200:
            answer.problem(status, answer.json()["code"])
    assert seen[401].header("WWW-Authenticate").startswith("Bearer")
    assert "POST" in seen[405].header("Allow")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "PUT", "DELETE", "PROPFIND", "QUERY"])
def test_every_method_is_answered_and_none_is_an_error_of_the_server(client: Client, method: str) -> None:
    for path in ("/livez", "/v1/govern", "/v1/ledger", "/v1/ledger/records/0", "/nowhere", "/%00", "/%ff", "//", "/."):
        answer = client.ask(method, path)
        assert answer.status < 500, (path, answer)


def test_public_pages_are_served(client: Client) -> None:
    for path in ("/livez", "/readyz", "/openapi.json", "/docs", "/.well-known/governlayer", "/problems/not_found"):
        assert client.get(path).status == 200, path
