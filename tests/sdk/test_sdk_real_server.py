from __future__ import annotations

import asyncio
import contextlib
import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from governlayer import AsyncGovernLayer, GovernanceUnavailable, GovernLayer

from tests.sdk.ledger_builder import ORIGIN
from tests.sdk.sdk_support import (
    ASK,
    KEY,
    KINDS,
    Client,
    answers,
    drips,
    hangs,
    http_bytes,
    raw_server,
    resets,
    says,
)
from tests.sdk.witness_support import FakeAppliance, served

both = pytest.mark.parametrize("kind", KINDS)
BUDGET_S = 0.6
# Twice the budget would be a second try past it; the machine may be busy.
LATEST_S = 2.5


def header(data: bytes, name: bytes) -> bytes:
    return re.search(rb"(?im)^" + name + rb": (.*)\r$", data).group(1)


@contextlib.contextmanager
def within_budget() -> Iterator[None]:
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < LATEST_S


@both
def test_a_reset_is_retried_with_the_same_key_and_body(kind):
    with raw_server(resets, resets, answers()) as server:
        assert Client(kind, None, base_url=server.url).govern().allowed
    assert len(server.requests) == 3
    assert len({header(request, b"idempotency-key") for request in server.requests}) == 1
    assert len({request.partition(b"\r\n\r\n")[2] for request in server.requests}) == 1


SLOW = {
    "hangs": hangs,
    "drips its headers": drips(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 400),
    "drips its body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + b" " * 400),
}


@both
@pytest.mark.parametrize("turn", SLOW.values(), ids=SLOW)
def test_a_server_that_is_too_slow_does_not_hold_the_caller_beyond_the_budget(kind, turn):
    with raw_server(turn) as server, within_budget():
        decision = Client(kind, None, base_url=server.url, timeout_s=BUDGET_S).govern()
    assert (decision.decision, decision.reason_code) == ("deny", "unavailable")
    assert "timed out" in decision.reason


@both
def test_a_slow_name_does_not_hold_the_caller_beyond_the_budget(kind, monkeypatch):
    def slow(*args, **kwargs):
        time.sleep(1.5)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began_s = time.monotonic()
    options = {"api_key": KEY, "base_url": "https://governlayer.test", "timeout_s": 0.3}
    if kind == "sync":
        assert not GovernLayer(**options).govern(**ASK).allowed
        assert time.monotonic() - began_s < 1.2
    else:
        # measured inside the loop: asyncio.run waits for the resolver's own thread when it ends

        async def ask() -> float:
            assert not (await AsyncGovernLayer(**options).govern(**ASK)).allowed
            return time.monotonic() - began_s

        assert asyncio.run(ask()) < 1.2


@both
def test_nobody_listening_is_a_deny(kind):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = Client(kind, None, base_url=url)
    assert client.govern().reason_code == "unavailable"
    assert client.ready() is False
    with pytest.raises(GovernanceUnavailable, match=r"could not connect \(3 tries\)"):
        Client(kind, None, base_url=url, on_unavailable="raise").govern()


BROKEN = {
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "closed at once": b"",
    "cut in the body": http_bytes(200, b"x" * 500)[:-100],
    "cut in the headers": b"HTTP/1.1 200 OK\r\nContent-Le",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
}


@both
@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_a_deny(kind, data):
    with raw_server(says(data)) as server, within_budget():
        decision = Client(kind, None, base_url=server.url).govern()
    assert (decision.decision, decision.reason_code) == ("deny", "unavailable")
    assert len(server.requests) == 3


@both
def test_a_redirect_is_not_followed_on_a_real_connection(kind):
    with raw_server(answers()) as elsewhere:
        moved = http_bytes(307, b"", f"Location: {elsewhere.url}/v1/govern")
        with raw_server(says(moved)) as server:
            assert not Client(kind, None, base_url=server.url).govern().allowed
        assert len(server.requests) == 1
        assert elsewhere.requests == []


@pytest.fixture
def appliance() -> Iterator[str]:
    with served(FakeAppliance()) as url:
        yield url


@both
def test_many_callers_share_a_client_and_each_gets_its_own_answer(kind, appliance):
    keys = [f"key-{index}" for index in range(40)]
    answered: list[tuple[str, str]] = []
    if kind == "sync":
        with GovernLayer(KEY, base_url=appliance, timeout_s=120, connect_timeout_s=120) as client:

            def ask(key: str) -> None:
                answered.append((key, client.govern(**ASK, idempotency_key=key).decision_id))

            threads = [threading.Thread(target=ask, args=(key,)) for key in keys]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    else:

        async def ask_all() -> None:
            async with AsyncGovernLayer(KEY, base_url=appliance, timeout_s=120, connect_timeout_s=120) as client:
                decisions = await asyncio.gather(*(client.govern(**ASK, idempotency_key=key) for key in keys))
            answered.extend(zip(keys, (decision.decision_id for decision in decisions), strict=True))

        asyncio.run(ask_all())
    assert sorted(answered) == sorted((key, key) for key in keys)


def test_no_thread_to_send_from_is_an_outage_and_not_an_allow(appliance, monkeypatch):
    def no_thread(self) -> None:
        raise RuntimeError("can't start new thread")

    with GovernLayer(KEY, base_url=appliance) as client:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        decision = client.govern(**ASK)
    assert (decision.reason_code, decision.allowed) == ("unavailable", False)


def test_a_cancelled_question_ends_at_once_as_cancelled():
    async def ask(url: str) -> None:
        async with AsyncGovernLayer(KEY, base_url=url, timeout_s=30) as client:
            task = asyncio.create_task(client.govern(**ASK))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with raw_server(hangs) as server, within_budget():
        asyncio.run(ask(server.url))


def test_the_snippets_of_the_readme_run(monkeypatch):
    readme = (Path(__file__).parents[2] / "sdk" / "README.md").read_text()
    snippets = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    printed = []
    with served(FakeAppliance()) as url:
        monkeypatch.setenv("GOVERNLAYER_API_KEY", KEY)
        monkeypatch.setenv("GOVERNLAYER_BASE_URL", url)
        for snippet in snippets:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(snippet, "README.md", "exec"), {})
            printed.append(out.getvalue())
    assert len(printed) == 2
    assert printed[0].startswith("send {'to'")
    assert printed[1] == f"2 records of {ORIGIN}\n"
