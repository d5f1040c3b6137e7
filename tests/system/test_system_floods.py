"""What is sent without end or in masses costs the sender and nobody else: it is cut off, refused, and not kept."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import JSON, Answer, Client, question

MIB = 1_048_576
SENT_AT_MOST = 8 * MIB
GROWTH_AT_MOST = 2 * MIB
AT_ONCE = 7
PROMPT_S = 15.0
BODY = json.dumps(question()).encode()
CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return 1024 * int(line.split()[1])


def _trailers() -> Iterator[bytes]:
    for number in range(SENT_AT_MOST // 1000):
        yield b"X-%d: %s\r\n" % (number, b"t" * 990)


def _one_trailer() -> Iterator[bytes]:
    yield b"X-One: "
    for _ in range(SENT_AT_MOST // 1000):
        yield b"t" * 1000


def _one_extension() -> Iterator[bytes]:
    yield b"1;e="
    for _ in range(SENT_AT_MOST // 1000):
        yield b"t" * 1000


FLOODS: dict[str, tuple[bytes, Callable[[], Iterator[bytes]]]] = {
    "trailers": (CHUNKS, _trailers),
    "one trailer": (CHUNKS, _one_trailer),
    "one chunk extension": (b"", _one_extension),
}


def _taken(one: socket.socket, piece: bytes) -> bool:
    try:
        one.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


@pytest.mark.parametrize("name", FLOODS)
def test_what_has_no_end_after_a_body_is_cut_off_and_not_kept(
    shared: Appliance, acme: Tenant, client: Client, name: str
) -> None:
    begin, pieces = FLOODS[name]
    head = b"POST /v1/govern HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    key = b"X-API-Key: " + acme.key.encode() + b"\r\n\r\n"
    client.govern(question())
    before, resident = client.size(), _resident_bytes(shared.pid)
    peak, sent = resident, 0
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as one:
        one.sendall(head + key + begin)
        for number, piece in enumerate(pieces()):
            if not _taken(one, piece):
                break
            sent += len(piece)
            if number % 500 == 0:
                assert client.get("/livez").status == 200
                peak = max(peak, _resident_bytes(shared.pid))
    grown = max(peak, _resident_bytes(shared.pid)) - resident
    print(f"\n{name}: cut off after {sent} bytes, the server grew by {grown}")
    assert sent < SENT_AT_MOST / 2
    assert grown < GROWTH_AT_MOST
    assert client.size() == before
    assert client.govern(question()).json()["decision"] == "allow"


def _arguments(kind: str) -> dict[str, Any]:
    if kind == "strings":
        return {"list": ["x"] * 200_000}
    if kind == "names":
        return {f"n{number}": 1 for number in range(50_000)}
    if kind == "nested":
        return {"list": [{"a": {"b": "x"}}] * 50_000}
    if kind == "cards":
        return {"list": [4111111111111111] * 50_000}
    return {"list": ["x"] * 2_000}


@pytest.mark.parametrize("kind", ["strings", "names", "nested", "cards", "one too many"])
def test_too_many_strings_are_refused_at_once_however_many_ask(
    shared: Appliance, acme: Tenant, client: Client, kind: str
) -> None:
    action = {"name": "read", "arguments": _arguments(kind)}
    body = json.dumps(question(action=action), separators=(",", ":")).encode()
    assert len(body) < MIB
    before, answers, start = client.size(), list[Answer](), time.monotonic()

    def ask() -> None:
        answers.append(Client(shared.port, acme.key).ask("POST", "/v1/govern", body, JSON))

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    assert client.get("/livez").status == 200
    for thread in threads:
        thread.join(60)
    assert time.monotonic() - start < PROMPT_S
    assert len(answers) == AT_ONCE
    for answer in answers:
        document = answer.problem(422, "invalid_request")
        assert [fault["pointer"] for fault in document["errors"]] == ["/action/arguments"]
    assert client.size() == before


def test_as_many_strings_as_are_admitted_are_served(client: Client) -> None:
    action = {"name": "read", "arguments": {"list": ["x"] * 1_998, "n": [7] * 10_000}}
    assert client.govern(question(action=action)).json()["decision"] == "allow"
