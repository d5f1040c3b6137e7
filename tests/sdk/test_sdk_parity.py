from __future__ import annotations

import asyncio
import inspect

import httpx
import pytest
from governlayer import AsyncGovernLayer, GovernLayer

from tests.sdk.sdk_support import BASE_URL, KEY, Script, answer

SAME = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}


def public(cls: type) -> dict[str, object]:
    special = {"__init__", "__repr__", "__reduce__", *SAME, *SAME.values()}
    members = {name: value for name, value in vars(cls).items() if not name.startswith("_") or name in special}
    return {SAME.get(name, name): value for name, value in members.items()}


def test_both_clients_have_the_same_public_methods():
    assert public(GovernLayer).keys() == public(AsyncGovernLayer).keys()
    assert {"govern", "ready", "close", "__enter__", "__exit__"} <= public(GovernLayer).keys()


@pytest.mark.parametrize("name", sorted(public(GovernLayer)))
def test_both_clients_have_the_same_signatures(name):
    def said(cls: type) -> str:
        member = public(cls)[name]
        signature = str(inspect.signature(member.fget if isinstance(member, property) else member))
        return signature.replace("httpx.AsyncClient", "httpx.Client").replace(
            "Awaitable[Checkpoint | None]", "Checkpoint | None"
        )

    assert said(GovernLayer) == said(AsyncGovernLayer)


def test_what_talks_to_the_network_is_blocking_in_one_and_awaited_in_the_other():
    for name in ("govern", "ready", "close", "__enter__", "__exit__"):
        assert not inspect.iscoroutinefunction(public(GovernLayer)[name])
        assert inspect.iscoroutinefunction(public(AsyncGovernLayer)[name])


def test_both_send_the_same_bytes():
    seen = []
    for kind in (httpx.Client, httpx.AsyncClient):
        script = Script(httpx.Response(200, json=answer()))
        own = kind(transport=httpx.MockTransport(script))
        ask = {"stage": "input", "agent": "a", "action": "b", "content": "c", "idempotency_key": "k"}
        if kind is httpx.Client:
            GovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=own).govern(**ask)
        else:
            asyncio.run(AsyncGovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=own).govern(**ask))
        (request,) = script.requests
        seen.append((request.method, request.url, sorted(request.headers.raw), request.content))
    assert seen[0] == seen[1]


def test_a_client_of_your_own_stays_open_and_ours_is_closed():
    own = httpx.Client(transport=httpx.MockTransport(Script(httpx.Response(200))))
    with GovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=own) as client:
        client.ready()
    assert not own.is_closed
    with GovernLayer(KEY, base_url="http://127.0.0.1:1") as client:
        pass
    assert client._http.is_closed


async def test_the_same_holds_under_asyncio():
    own = httpx.AsyncClient(transport=httpx.MockTransport(Script(httpx.Response(200))))
    async with AsyncGovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=own) as client:
        assert await client.ready()
    assert not own.is_closed
    async with AsyncGovernLayer(KEY, base_url="http://127.0.0.1:1") as client:
        pass
    assert client._http.is_closed
