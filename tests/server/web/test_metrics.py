"""``/metrics``: for the token alone, and without a word of any organization."""

import httpx
import pytest
from governlayer_server.web.edge import Edge
from prometheus_client.parser import text_string_to_metric_families

from tests.server.web.conftest import METRICS_TOKEN, QUESTION, Site, assert_problem, bearer

GOOD = bearer(METRICS_TOKEN)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def labels(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for _, pairs in samples(text):
        for name, value in pairs:
            found.setdefault(name, set()).add(value)
    return found


async def test_the_token_opens_it(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers=GOOD)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(answer.text)["governlayer_build_info", frozenset({("version", "0")})] == 1


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("x"), bearer(METRICS_TOKEN[:-1]), bearer(METRICS_TOKEN + "x"), bearer(METRICS_TOKEN.upper()),
     {"X-API-Key": METRICS_TOKEN}, {"Authorization": f"Basic {METRICS_TOKEN}"}, {"Authorization": METRICS_TOKEN},
     {"Cookie": f"token={METRICS_TOKEN}"}],
)  # fmt: skip
async def test_nothing_else_opens_it(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get("/metrics", headers=headers)
    assert_problem(answer, 401, "not_authenticated")
    assert "governlayer_" not in answer.text


async def test_an_api_key_does_not_open_it_and_its_token_opens_nothing_else(
    client: httpx.AsyncClient, key: str
) -> None:
    assert_problem(await client.get("/metrics", headers=bearer(key)), 401, "not_authenticated")
    assert_problem(await client.get("/v1/ledger", headers=GOOD), 401, "not_authenticated")
    assert_problem(await client.get(f"/metrics?token={METRICS_TOKEN}"), 401, "not_authenticated")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
async def test_without_a_token_there_is_nothing_as_at_any_unknown_path(method: str) -> None:
    site = Site(edge=Edge())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url="http://test") as client:
        answers = [await client.request(method, path, headers=GOOD) for path in ("/metrics", "/nowhere")]
        bodies = [{**answer.json(), "request_id": ""} for answer in answers]
        assert answers[0].status_code == 404 or method == "POST"
        assert (bodies[0], answers[0].status_code) == (bodies[1], answers[1].status_code)
        assert "/metrics" not in (await client.get("/openapi.json")).json()["paths"]


async def test_requests_are_counted_by_template_method_and_status(client: httpx.AsyncClient, key: str) -> None:
    await client.post("/v1/govern", json=QUESTION, headers=bearer(key))
    for seq in range(3):
        await client.get(f"/v1/ledger/records/{seq}", headers=bearer(key))
    text = (await client.get("/metrics", headers=GOOD)).text
    found = samples(text)

    def count(route: str, method: str, status: str) -> float:
        pairs = frozenset({("route", route), ("method", method), ("status", status)})
        return found["governlayer_http_requests_total", pairs]

    assert count("/v1/govern", "POST", "200") == 1
    assert sum(count("/v1/ledger/records/{seq}", "GET", status) for status in ("200",)) == 3
    assert found["governlayer_http_request_duration_seconds_count", frozenset({("route", "/v1/govern")})] == 1


async def test_no_label_carries_what_a_client_sent(site: Site, client: httpx.AsyncClient, key: str) -> None:
    for path in ("/CANARY", "/v1/ledger/records/CANARY", "/problems/CANARY", "/v1/ledger/records?agent=CANARY"):
        await client.request("GET", path, headers={**bearer(key), "User-Agent": "CANARY"})
    await client.request("CANARY", "/v1/govern")
    site.app.refuse("bad_request")
    text = (await client.get("/metrics", headers=GOOD)).text
    assert "CANARY" not in text
    assert key[:12] not in text
    (acme,) = await site.appliance.accounts.organizations()
    assert str(acme.id) not in text
    found = labels(text)
    assert set(found) <= {"route", "method", "status", "le", "component", "version"}
    assert "other" in found["method"]
    assert all("/" in route for route in found["route"] - {""})


async def test_parts_and_registered_figures_are_shown_and_one_that_fails_costs_no_other(
    site: Site, client: httpx.AsyncClient
) -> None:
    site.probes = {"ledger": False, "redis": True}
    site.metrics.gauge("limiter_local", "Whether limits are counted here.", lambda: 1.0)
    site.metrics.gauge("broken", "Fails.", lambda: 1 / 0)
    with pytest.raises(ValueError, match="limiter_local"):
        site.metrics.gauge("limiter_local", "Twice.", lambda: 2.0)
    found = samples((await client.get("/metrics", headers=GOOD)).text)
    assert found["governlayer_component_up", frozenset({("component", "ledger")})] == 0
    assert found["governlayer_component_up", frozenset({("component", "redis")})] == 1
    assert found["governlayer_limiter_local", frozenset()] == 1
    assert found["governlayer_broken", frozenset()] != found["governlayer_broken", frozenset()]


async def test_two_appliances_in_one_process_count_apart(client: httpx.AsyncClient) -> None:
    other = Site()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=other.app), base_url="http://test") as second:
        await second.get("/livez")
    assert "/livez" in (await other.metrics.exposition()).decode()
    assert "/livez" not in (await client.get("/metrics", headers=GOOD)).text
