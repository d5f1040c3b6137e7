from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest
from governlayer import Action, AsyncGovernLayer, GovernLayer, GovernLayerError

from tests.sdk.sdk_support import (
    BASE_URL,
    KEY,
    KINDS,
    Client,
    Script,
    answer,
    problem,
    raw_server,
    resets,
    says,
)

CANARY = "BODY-CANARY-8ebf"
ASK: dict[str, Any] = {
    "content": CANARY,
    "action": Action("send", arguments={"to": CANARY}),
    "purpose": CANARY,
}


def echo(status: int):
    """Answer like a careless proxy: with the whole request, key and all, in every member."""

    def handler(request: httpx.Request) -> httpx.Response:
        key = request.headers["authorization"].removeprefix("Bearer ")
        errors = [{"pointer": f"/{key}", "detail": key}]
        return problem(status, f"c_{key}", {"x-request-id": key}, title=key, detail=f"got {key}", errors=errors)

    return handler


FAILURES = {
    "connect": httpx.ConnectError("refused"),
    "timeout": httpx.ReadTimeout("slow"),
    "401": echo(401),
    "409": echo(409),
    "422": echo(422),
    "429": echo(429),
    "503": echo(503),
    "html": lambda request: httpx.Response(400, html=str(request.headers.raw) + request.content.decode()),
    "malformed": lambda request: httpx.Response(200, content=request.content),
    "redirect": httpx.Response(307, headers={"location": "https://elsewhere.test/"}),
    "bug in the transport": RuntimeError("the client has been closed"),
}


def everything_shown(error: BaseException) -> str:
    """Return whatever a log, an error tracker or a pickle could show of *error*, its causes and their frames."""
    shown = [pickle.dumps(error).decode("latin-1")] if isinstance(error, GovernLayerError) else []
    seen: BaseException | None = error
    while seen is not None:
        shown += [str(seen), repr(seen), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    return "\n".join([*shown, *traceback.TracebackException.from_exception(error, capture_locals=True).format()])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_no_error_shows_the_key_or_the_body(kind, failure, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("GOVERNLAYER_API_KEY", KEY)
    script = Script(failure)
    client = Client(kind, script, api_key=None, on_unavailable="raise")
    with pytest.raises((GovernLayerError, RuntimeError)) as caught:
        client.govern(**ASK)
    assert KEY in str(script.requests[0].headers.raw)
    shown = everything_shown(caught.value)
    assert KEY not in shown
    assert KEY not in caplog.text
    assert CANARY not in caplog.text
    assert all(CANARY not in text for text in (str(caught.value), repr(caught.value), repr(vars(caught.value))))
    if isinstance(caught.value, GovernLayerError):
        assert CANARY.encode() not in pickle.dumps(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_log_line_of_a_real_connection_shows_the_key_or_the_body(kind, caplog):
    caplog.set_level(logging.DEBUG)
    with raw_server(resets, says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as server:
        Client(kind, None, base_url=server.url).govern(**ASK)
        assert KEY.encode() in server.requests[0]
    assert "127.0.0.1" in caplog.text
    assert KEY not in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("cls", [GovernLayer, AsyncGovernLayer])
def test_no_client_shows_or_gives_away_its_key(cls):
    client = cls(KEY, base_url=BASE_URL)
    parts = [client, vars(client), client._config, client._conversations, client._config.api_key]
    assert all(KEY not in repr(part) + str(part) for part in parts)
    for part in (client, client._config, client._config.api_key, client._conversations):
        for take in (pickle.dumps, copy.copy, copy.deepcopy):
            try:
                taken = take(part)
            except TypeError:
                continue
            assert take is copy.copy  # of a value that only refers to the key
            assert KEY not in repr(taken)


def test_the_key_stays_out_of_a_client_of_your_own():
    own = httpx.Client(transport=httpx.MockTransport(Script(httpx.Response(200, json=answer()))))
    GovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=own).govern(
        stage="input", agent="a", action="b"
    )
    assert KEY not in str(own.headers.raw) + repr(vars(own))


@pytest.mark.parametrize("kind", KINDS)
def test_credentials_of_a_client_of_your_own_do_not_replace_the_key(kind):
    script = Script(httpx.Response(200, json=answer()))
    own: Any = {
        "auth": ("user", "password"),
        "follow_redirects": True,
        "transport": httpx.MockTransport(script),
    }
    if kind == "sync":
        with httpx.Client(**own) as http:
            GovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=http).govern(
                stage="input", agent="a", action="b"
            )
    else:
        client = AsyncGovernLayer(KEY, base_url=BASE_URL, verify_receipts=False, http_client=httpx.AsyncClient(**own))
        asyncio.run(client.govern(stage="input", agent="a", action="b"))
    assert script.requests[0].headers.get_list("authorization") == [f"Bearer {KEY}"]


def test_a_question_shows_no_text_in_its_repr():
    assert CANARY not in repr(ASK["action"])
