"""The application as a whole: what its answers and errors look like."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from governlayer_server.domain import errors
from governlayer_server.domain.errors import GovernLayerError, LedgerUnavailable
from governlayer_server.domain.organization import Organization
from governlayer_server.web.headers import SECURITY_HEADERS
from governlayer_server.web.problems import KINDS

from tests.fakes.appliance import DEPLOYMENT
from tests.server.web.conftest import QUESTION, Site, assert_problem, bearer


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/nowhere/else", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", "/openapi", 404, "not_found"),
        ("GET", "/v1/ledger/records/x", 404, "not_found"),
        ("DELETE", "/v1/govern", 405, "method_not_allowed"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("GET", "/problems/none-such", 404, "not_found"),
        ("GET", "/v1/ledger/records/99", 404, "not_found"),
        ("GET", "/v1/ledger/records?limit=0", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?limit=201", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?limit=x", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?cursor=x", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?cursor=1%0A", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?from=yesterday", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?to=2026-01-01", 422, "invalid_request"),
        ("GET", "/v1/ledger/records?agent=%00", 422, "invalid_request"),
        ("GET", "/v1/ledger/records/-1", 422, "invalid_request"),
        ("GET", "/v1/ledger/records/99999999999999999999", 422, "invalid_request"),
        ("GET", "/v1/ledger/dump?first=2&last=1", 422, "invalid_request"),
        ("GET", "/v1/ledger/dump?first=99", 422, "invalid_request"),
        ("GET", "/v1/ledger/dump?last=99", 422, "invalid_request"),
        ("GET", "/v1/ledger/dump?payloads=none-such", 422, "invalid_request"),
    ],
)
async def test_errors_are_problem_documents(
    client: httpx.AsyncClient, key: str, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path, headers=bearer(key))
    assert_problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code", "pointer"),
    [
        (b"{", "application/json", 400, "malformed_body", None),
        (b"", "application/json", 400, "malformed_body", None),
        (b"\xff", "application/json", 400, "malformed_body", None),
        (b"{}", "text/plain", 415, "unsupported_media_type", None),
        (b"{}", "application/json; charset=latin-1", 415, "unsupported_media_type", None),
        (b"{}", "application/json", 422, "invalid_request", ""),
        (b'{"a":NaN}', "application/json", 422, "invalid_request", "/a"),
        (json.dumps({**QUESTION, "x": 1}).encode(), "application/json", 422, "invalid_request", "/x"),
        (
            json.dumps({**QUESTION, "purpose": "x" * 1_048_576}).encode(),
            "application/json",
            413,
            "body_too_large",
            None,
        ),
    ],
)
async def test_bodies_that_cannot_be_read_are_refused_and_nothing_is_recorded(
    site: Site, acme: Organization, client: httpx.AsyncClient, key: str,
    content: bytes, content_type: str, status: int, code: str, pointer: str | None,
) -> None:  # fmt: skip
    before = await site.appliance.ledger.head(str(acme.id))
    answer = await client.post("/v1/govern", content=content, headers={**bearer(key), "Content-Type": content_type})
    body = assert_problem(answer, status, code)
    if pointer is not None:
        assert [fault["pointer"] for fault in body["errors"]] == [pointer]
    assert await site.appliance.ledger.head(str(acme.id)) == before
    assert (await client.post("/v1/govern", json=QUESTION, headers=bearer(key))).status_code == 200


async def test_a_tool_where_none_is_called_and_a_type_with_a_slash_are_422(client: httpx.AsyncClient, key: str) -> None:
    for change, pointer in (
        ({"action": {"name": "n", "tool": {"name": "t"}}}, "/action/tool"),
        ({"resource": {"type": "a/b", "id": "i"}}, "/resource/type"),
        ({"purpose": "pay with 4111 1111 1111 1111"}, "/purpose"),
    ):
        answer = await client.post("/v1/govern", json={**QUESTION, **change}, headers=bearer(key))
        body = assert_problem(answer, 422, "invalid_request")
        assert [fault["pointer"] for fault in body["errors"]] == [pointer]
        assert "4111" not in answer.text


async def test_what_is_not_admitted_is_not_recorded(site: Site, client: httpx.AsyncClient, key: str) -> None:
    (acme,) = await site.appliance.accounts.organizations()
    before = await site.appliance.ledger.head(str(acme.id))
    for options in ({}, {"mode": "shadow"}, {"mode": "dry_run"}):
        body = {**QUESTION, "action": {"name": "n", "arguments": {"a": ["x"] * 2_001}}, "options": options}
        assert_problem(await client.post("/v1/govern", json=body, headers=bearer(key)), 422, "invalid_request")
    assert await site.appliance.ledger.head(str(acme.id)) == before


async def test_what_fails_inside_is_a_500_without_its_reason(site: Site, client: httpx.AsyncClient, key: str) -> None:
    for failure in (RuntimeError("CANARY"), errors.CipherError("CANARY"), errors.LedgerFormatError("CANARY")):
        site.appliance.ledger.failure = failure
        answer = await client.post("/v1/govern", json=QUESTION, headers=bearer(key))
        assert "CANARY" not in json.dumps(assert_problem(answer, 500, "internal_error"))


async def test_a_ledger_that_is_away_is_a_503_and_no_decision(site: Site, client: httpx.AsyncClient, key: str) -> None:
    site.appliance.ledger.failure = LedgerUnavailable("away")
    answer = await client.post("/v1/govern", json=QUESTION, headers=bearer(key))
    assert "decision" not in assert_problem(answer, 503, "ledger_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_repeated_request_is_answered_byte_for_byte(client: httpx.AsyncClient, key: str) -> None:
    headers = {**bearer(key), "Idempotency-Key": "once"}
    body = {**QUESTION, "options": {"receipt": True}}
    first, again = [await client.post("/v1/govern", json=body, headers=headers) for _ in range(2)]
    assert again.content == first.content
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    answer = await client.post("/v1/govern", json=QUESTION, headers=headers)
    assert_problem(answer, 422, "idempotency_key_reused")


@pytest.mark.parametrize("idempotency_key", ["", "x" * 256, "a b", "a\tb", "é".encode()])
async def test_an_idempotency_key_outside_its_limits_is_refused(
    client: httpx.AsyncClient, key: str, idempotency_key: str
) -> None:
    headers = {**bearer(key), "Idempotency-Key": idempotency_key}
    assert_problem(await client.post("/v1/govern", json=QUESTION, headers=headers), 422, "invalid_request")


async def test_an_organization_sees_its_own_ledger_only(site: Site, client: httpx.AsyncClient, key: str) -> None:
    other = await site.appliance.create_organization(
        "Other", (await site.appliance.accounts.organizations())[0].plan, "o@x.y", None
    )
    await client.post("/v1/govern", json=QUESTION, headers=bearer(key))
    theirs = await site.appliance.key_for(other)
    mine = (await client.get("/v1/ledger", headers=bearer(key))).json()
    their = (await client.get("/v1/ledger", headers=bearer(theirs))).json()
    assert mine["origin"] != their["origin"]
    assert their["origin"].endswith(str(other.id))
    listed = (await client.get("/v1/ledger/records?type=decision", headers=bearer(theirs))).json()
    assert listed == {"data": [], "next_cursor": None}


async def test_records_come_in_pages_as_they_stand(site: Site, client: httpx.AsyncClient, key: str) -> None:
    for _ in range(3):
        await client.post("/v1/govern", json=QUESTION, headers=bearer(key))
    seen: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"/v1/ledger/records?limit=2&type=decision{f'&cursor={cursor}' if cursor else ''}"
        page = (await client.get(query, headers=bearer(key))).json()
        seen += page["data"]
        cursor = page["next_cursor"]
    assert len(seen) == 3
    one = (await client.get(f"/v1/ledger/records/{seen[0]['record']['seq']}", headers=bearer(key))).json()
    assert one == seen[0]


async def test_a_dump_is_streamed_as_a_file(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.get("/v1/ledger/dump", headers=bearer(key))
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert "ledger.gldump" in answer.headers["content-disposition"]
    assert answer.text.splitlines()[-1].startswith('{"end":')


async def test_health_says_what_fails_to_anyone(site: Site, client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ok"}
    site.probes = {"redis": False, "ledger": False, "postgresql": True}
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "failing": ["ledger", "redis"]})


async def test_who_excludes_redis_is_told_of_it_and_still_of_all_else_that_fails(
    site: Site, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/readyz?exclude=redis")).json() == {"status": "ok"}
    site.probes = {"ledger": True, "redis": False}
    for query in ("exclude=redis", "exclude=redis&exclude=redis"):
        answer = await client.get(f"/readyz?{query}")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "excluded": ["redis"]})
    site.probes = {"ledger": False, "redis": False}
    answer = await client.get("/readyz?exclude=redis")
    told = {"status": "unavailable", "failing": ["ledger"], "excluded": ["redis"]}
    assert (answer.status_code, answer.json()) == (503, told)


@pytest.mark.parametrize(
    "query",
    [
        "exclude=ledger", "exclude=postgresql", "exclude=migrations", "exclude=redis&exclude=ledger",
        "exclude=redis,ledger", "exclude=REDIS", "exclude=%00", "exclude=", "exclude",
    ],
)  # fmt: skip
async def test_what_decisions_need_cannot_be_excluded(query: str, client: httpx.AsyncClient) -> None:
    refused = assert_problem(await client.get(f"/readyz?{query}"), 422, "invalid_request")
    assert refused["errors"] == [{"pointer": "", "detail": "parameter `exclude`: only redis can be excluded"}]


async def test_more_names_to_exclude_than_eight_are_refused(client: httpx.AsyncClient) -> None:
    named = ["exclude=redis"] * 9
    assert (await client.get(f"/readyz?{'&'.join(named[1:])}")).status_code == 200
    refused = assert_problem(await client.get(f"/readyz?{'&'.join(named)}"), 422, "invalid_request")
    too_many = "parameter `exclude`: Expected `array` of length <= 8"
    assert refused["errors"] == [{"pointer": "", "detail": too_many}]


async def test_every_answer_has_a_request_id_of_its_own_and_one_log_line(
    site: Site, client: httpx.AsyncClient, key: str
) -> None:
    answers = [
        await client.get("/livez"),
        await client.get("/nowhere?token=CANARY"),
        await client.post("/v1/govern?x=CANARY", json={**QUESTION, "purpose": "CANARY"}, headers=bearer(key)),
        await client.get("/v1/ledger/records/0", headers=bearer(key)),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len({UUID(one) for one in ids}) == 4
    assert [(line["request_id"], line["status"]) for line in site.log] == [
        (one, answer.status_code) for one, answer in zip(ids, answers, strict=True)
    ]
    assert site.log[3]["route"] == "/v1/ledger/records/{seq}"
    assert "CANARY" not in repr(site.log)
    assert key not in repr(site.log)


async def test_the_application_adds_none_of_the_security_headers_that_the_server_adds(
    client: httpx.AsyncClient,
) -> None:
    names = {name.lower() for name, _ in SECURITY_HEADERS}
    assert len(names) == len(SECURITY_HEADERS) == 7
    for path in ("/livez", "/nowhere", "/openapi.json", "/v1/ledger"):
        assert names.isdisjoint((await client.get(path)).headers)


def public_errors() -> list[type[GovernLayerError]]:
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, GovernLayerError)]
    inside = {"internal_error", "ledger_format", "proof", "cipher", "configuration", "backup"}
    return [one for one in found if one.code not in inside]


@pytest.mark.parametrize("error", public_errors(), ids=lambda error: error.code)
async def test_every_public_error_has_a_kind_and_a_page(
    client: httpx.AsyncClient, error: type[GovernLayerError]
) -> None:
    assert error.code in KINDS
    page = await client.get(f"/problems/{error.code}")
    assert page.status_code == 200
    assert KINDS[error.code].title in page.text


async def test_the_deployment_tells_its_name_and_its_keys(site: Site, client: httpx.AsyncClient) -> None:
    assert (await client.get("/.well-known/governlayer")).json() == {
        "deployment": DEPLOYMENT,
        "version": "0",
        "ledger_keys": [site.appliance.read_ledger.key],
    }
