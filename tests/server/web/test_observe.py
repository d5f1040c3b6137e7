"""What is said of a request: who asked, where, how it ended, and nothing that was sent."""

from typing import Any

import pytest
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.organization import Organization
from governlayer_server.web.observe import Observed
from msgspec.structs import replace

from tests.fakes.appliance import principal_of
from tests.fakes.clock import FakeClock, FakeEntropy

LINE = {"event", "request_id", "method", "route", "status", "latency_us", "organization_id", "key_id"}


async def observed(principal: Any) -> tuple[dict[str, Any], list[Any]]:
    """Serve one request by *principal*; return its log line and what was counted."""
    lines: list[dict[str, Any]] = []
    counted: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope.update(auth=principal, path_template="/v1/x/{id}")
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None: ...

    log = Observed(
        app,
        FakeClock(),
        FakeEntropy(),
        lambda event, **fields: lines.append({"event": event, **fields}),
        lambda *given: counted.append(given),
    )
    await log({"type": "http", "method": "GET", "path": "/v1/x/CANARY", "query_string": b"CANARY"}, None, send)
    (line,) = lines
    assert "CANARY" not in repr((lines, counted))
    return line, counted


@pytest.mark.parametrize(("kind", "name"), [(ActorKind.API_KEY, "key_id"), (ActorKind.USER, "user_id")])
async def test_the_line_names_the_key_or_the_user(acme: Organization, kind: ActorKind, name: str) -> None:
    principal = replace(principal_of(acme), kind=kind)
    line, _ = await observed(principal)
    assert set(line) == LINE | {name}
    assert line[name] == principal.id
    assert line["organization_id"] == str(acme.id)
    assert {line["key_id"], line.get("user_id")} == {None, principal.id}


async def test_each_request_is_counted_as_it_is_logged() -> None:
    line, counted = await observed(None)
    assert set(line) == LINE
    assert (line["organization_id"], line["key_id"]) == (None, None)
    assert counted == [(line["route"], line["method"], line["status"], line["latency_us"])]
