"""Nobody waits for long: what hangs behind the application becomes an error in time, and never a decision."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from governlayer_server.domain.errors import LedgerUnavailable
from governlayer_server.ports.ledger import StoredRecord
from governlayer_server.web import deadline
from governlayer_server.web.server import Server, bind

from tests.server.web.conftest import QUESTION, Site, assert_problem, bearer

TINY_S = 0.05
# Far more than any machine needs to notice that the time is over, far less than the test's own limit.
PATIENCE_S = 20.0


async def never(*_: Any, **__: Any) -> Any:
    await asyncio.Event().wait()


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "ANSWER_S", TINY_S)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("place", ["append", "answer", "head"])
async def test_a_ledger_that_never_answers_is_a_503_without_a_decision(
    site: Site, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(site.appliance.ledger, place, never)
    if place == "head":
        asked = client.get("/v1/ledger", headers=bearer(key))
    else:
        asked = client.post("/v1/govern", json=QUESTION, headers={**bearer(key), "Idempotency-Key": "once"})
    async with asyncio.timeout(PATIENCE_S):
        answer = await asked
    assert "decision" not in assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("path", ["/v1/ledger", "/v1/ledger/records", "/v1/ledger/records/0", "/v1/ledger/checkpoint",
                                  "/v1/ledger/dump"])  # fmt: skip
async def test_accounts_that_never_answer_let_nobody_in_and_nobody_wait(
    site: Site, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(site.appliance.accounts, "organization_of_key", never)
    async with asyncio.timeout(PATIENCE_S):
        assert_problem(await client.get(path, headers=bearer(key)), 503, "unavailable")


@pytest.mark.usefixtures("tiny")
async def test_one_that_hangs_does_not_hold_up_the_others(
    site: Site, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(site.appliance.ledger, "append", never)
        asked = [client.post("/v1/govern", json=QUESTION, headers=bearer(key)) for _ in range(20)]
        async with asyncio.timeout(PATIENCE_S):
            answers = await asyncio.gather(*asked, client.get("/livez"))
    assert [one.status_code for one in answers] == [503] * 20 + [200]
    assert (await client.post("/v1/govern", json=QUESTION, headers=bearer(key))).status_code == 200


@pytest.mark.usefixtures("tiny")
async def test_the_time_that_the_client_takes_for_its_body_does_not_count(client: httpx.AsyncClient, key: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        for part in (b'{"stage":"input",', b'"agent":{"id":"a"},', b'"action":{"name":"n"}}'):
            await asyncio.sleep(2 * TINY_S)
            yield part

    headers = {**bearer(key), "Content-Type": "application/json"}
    answer = await client.post("/v1/govern", content=body(), headers=headers)
    assert answer.status_code == 200, answer.text


def slow_stream(site: Site, monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None) -> None:
    """Each record takes longer than a whole answer may take to begin; before the last one comes *failure*."""
    original = site.appliance.ledger.stream

    async def slow(ledger_id: str, first: int, last: int, names: Any) -> AsyncIterator[StoredRecord]:
        async for stored in original(ledger_id, first, last, names):
            await asyncio.sleep(2 * TINY_S)
            if failure is not None and stored.record.seq == last:
                raise failure
            yield stored

    monkeypatch.setattr(site.appliance.ledger, "stream", slow)


@pytest.mark.usefixtures("tiny")
async def test_an_answer_that_has_begun_may_go_on(
    site: Site, client: httpx.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_stream(site, monkeypatch)
    answer = await client.get("/v1/ledger/dump", headers=bearer(key))
    assert answer.status_code == 200
    assert answer.text.splitlines()[-1].startswith('{"end":')


@pytest.mark.usefixtures("tiny")
async def test_neither_an_application_nor_a_client_that_takes_the_answer_slowly_is_cut_off() -> None:
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await asyncio.sleep(2 * TINY_S)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})

    async def slow_client(message: Any) -> None:
        await asyncio.sleep(2 * TINY_S)
        sent.append(message)

    scope: Any = {"type": "http"}
    await deadline.Deadline().handle(scope, never, slow_client, application)
    assert len(sent) == 4


@pytest.mark.usefixtures("tiny")
async def test_an_answer_that_fails_after_it_began_ends_in_time_and_is_seen_to_be_incomplete(
    site: Site, acme: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_stream(site, monkeypatch, LedgerUnavailable("away"))
    bound = bind("127.0.0.1", 0)
    ready = asyncio.Event()
    server = Server(site.app, ready.set)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    got = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await ready.wait()
            with pytest.raises(httpx.RemoteProtocolError):
                await take(f"http://127.0.0.1:{bound.getsockname()[1]}/v1/ledger/dump", key, got)
    finally:
        server.should_exit = True
        await serving
    assert got.startswith(b'{"dump":')
    assert b'{"end":' not in got


async def take(url: str, key: str, got: bytearray) -> None:
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("GET", url, headers=bearer(key)) as answer,
    ):
        assert answer.status_code == 200
        async for part in answer.aiter_raw():
            got.extend(part)
