"""/v1/keys…: what users manage of the API keys (API contract §2)."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from governlayer_server.domain.access import STEP_UP_US, Role, Scope
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.times import time_text

from tests.fakes.appliance import add_user, token_of, user_token
from tests.server.web.conftest import QUESTION, Site, assert_problem, bearer

BODY: dict[str, Any] = {"name": "CI", "scopes": ["govern"]}
SHOWN = {
    "id", "name", "prefix", "scopes", "status", "created_at", "last_used_at", "expires_at", "rate_limit",
    "allowed_ips", "previous_valid_until",
}  # fmt: skip
ROUTES = (
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("GET", "/v1/keys/{id}"),
    ("POST", "/v1/keys/{id}/rotate"),
    ("DELETE", "/v1/keys/{id}"),
    ("GET", "/v1/keys/{id}/events"),
)
EVENTS = ROUTES[-1]
CHANGES = {ROUTES[0], ROUTES[3], ROUTES[4]}


@pytest.fixture
async def admin(site: Site, acme: Organization) -> dict[str, str]:
    return bearer(await user_token(site.appliance, acme, Role.ADMIN))


async def ask(
    client: httpx.AsyncClient, route: tuple[str, str], key_id: str, headers: dict[str, str]
) -> httpx.Response:
    method, path = route
    body = {"json": {"grace_seconds": 0} if "rotate" in path else BODY} if method == "POST" else {}
    return await client.request(method, path.format(id=key_id), headers=headers, **body)


async def test_a_key_is_created_shown_once_and_works(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    expires_at = time_text(site.appliance.clock.now_us() + 60_000_000)
    asked = {**BODY, "expires_at": expires_at, "rate_limit": 5, "allowed_ips": ["127.0.0.0/8"]}
    answer = await client.post("/v1/keys", json=asked, headers=admin)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert set(made) == {*SHOWN, "key"}
    assert made["prefix"] == made["key"][:7]
    assert (made["status"], made["last_used_at"], made["previous_valid_until"]) == ("active", None, None)
    assert {name: made[name] for name in asked} == asked
    assert (await client.post("/v1/govern", json=QUESTION, headers=bearer(made["key"]))).status_code == 200
    await site.appliance.usage.flush()
    shown = (await client.get(f"/v1/keys/{made['id']}", headers=admin)).json()
    assert set(shown) == SHOWN
    assert shown["last_used_at"] == time_text(site.appliance.clock.now_us())
    listed = (await client.get("/v1/keys", headers=admin)).json()
    assert listed == {"data": [shown], "next_cursor": None}
    assert made["key"][7:19] not in str(site.log) + str(listed)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"scopes": ["govern"]}, ""),
        ({**BODY, "name": ""}, "/name"),
        ({**BODY, "name": "x" * 101}, "/name"),
        ({**BODY, "name": " "}, "/name"),
        ({**BODY, "scopes": []}, "/scopes"),
        ({**BODY, "scopes": ["admin"]}, "/scopes/0"),
        ({**BODY, "scopes": ["govern", "govern"]}, "/scopes"),
        ({**BODY, "scopes": "govern"}, "/scopes"),
        ({**BODY, "expires_at": "tomorrow"}, "/expires_at"),
        ({**BODY, "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({**BODY, "expires_at": "2126-01-01T00:00:00Z"}, "/expires_at"),
        ({**BODY, "rate_limit": 0}, "/rate_limit"),
        ({**BODY, "rate_limit": 1.5}, "/rate_limit"),
        ({**BODY, "rate_limit": 501}, "/rate_limit"),
        ({**BODY, "rate_limit": True}, "/rate_limit"),
        ({**BODY, "allowed_ips": ["10.0.0.1/8"]}, "/allowed_ips/0"),
        ({**BODY, "allowed_ips": ["::1"] * 65}, "/allowed_ips"),
        ({**BODY, "role": "owner"}, "/role"),
        ({**BODY, "organization_id": str(uuid4())}, "/organization_id"),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str], body: dict[str, Any], pointer: str
) -> None:
    answer = await client.post("/v1/keys", json=body, headers=admin)
    assert [one["pointer"] for one in assert_problem(answer, 422, "invalid_request")["errors"]] == [pointer]
    assert site.appliance.accounts.rows.keys == {}


async def test_the_same_request_gets_the_same_answer(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    headers = {**admin, "Idempotency-Key": "one"}
    first = await client.post("/v1/keys", json=BODY, headers=headers)
    await client.delete(f"/v1/keys/{first.json()['id']}", headers=admin)
    again = await client.post("/v1/keys", json=BODY, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["cache-control"] == "no-store"
    assert "idempotency-replayed" not in first.headers
    assert len(site.appliance.accounts.rows.keys) == 1
    other = await client.post("/v1/keys", json={**BODY, "name": "other"}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")
    assert_problem(
        await client.post("/v1/keys", json=BODY, headers={**admin, "Idempotency-Key": "a b"}), 422, "invalid_request"
    )


async def test_a_rotation_that_is_asked_for_again_is_not_done_again(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    made, other = [(await client.post("/v1/keys", json=BODY, headers=admin)).json() for _ in range(2)]
    headers, body = {**admin, "Idempotency-Key": "one"}, {"grace_seconds": 60}
    first = await client.post(f"/v1/keys/{made['id']}/rotate", json=body, headers=headers)
    again = await client.post(f"/v1/keys/{made['id']}/rotate", json=body, headers=headers)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert [one.event for one in site.appliance.accounts.rows.events].count("rotated") == 1
    changed = await client.post(f"/v1/keys/{made['id']}/rotate", json={"grace_seconds": 0}, headers=headers)
    assert_problem(changed, 422, "idempotency_key_reused")
    # Another key is another request.
    assert (await client.post(f"/v1/keys/{other['id']}/rotate", json=body, headers=headers)).json()["id"] == other["id"]


async def test_while_the_first_is_running_the_second_is_a_conflict(
    site: Site, client: httpx.AsyncClient, acme: Organization
) -> None:
    user = await add_user(site.appliance, acme, Role.ADMIN)
    name = f"user {user.id} POST /v1/keys one"
    held = site.appliance.vault.fingerprint("idempotency-key", name.encode())
    headers = {**bearer(await token_of(site.appliance, user)), "Idempotency-Key": "one"}
    async with site.appliance.running.claim(acme.id, held):
        answer = await client.post("/v1/keys", json=BODY, headers=headers)
    assert_problem(answer, 409, "idempotency_in_progress")
    assert answer.headers["retry-after"] == "1"
    assert site.appliance.accounts.rows.keys == {}


async def test_a_rotation_keeps_the_id_and_the_old_secret_for_its_grace(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    old = (await client.post("/v1/keys", json=BODY, headers=admin)).json()
    path, clock = f"/v1/keys/{old['id']}/rotate", site.appliance.clock
    answer = await client.post(path, json={"grace_seconds": 60}, headers=admin)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    new = answer.json()
    assert (new["id"], new["previous_valid_until"]) == (old["id"], time_text(clock.now_us() + 60_000_000))
    assert new["key"] != old["key"]

    async def statuses() -> list[int]:
        asked = [await client.post("/v1/govern", json=QUESTION, headers=bearer(one["key"])) for one in (old, new)]
        return [one.status_code for one in asked]

    assert await statuses() == [200, 200]
    clock.advance(60_000_000)
    assert await statuses() == [401, 200]
    assert (await client.get(f"/v1/keys/{old['id']}", headers=admin)).json()["previous_valid_until"] is None


@pytest.mark.parametrize("body", [{}, {"grace_seconds": -1}, {"grace_seconds": 2_592_001}, {"grace_seconds": "1"}])
async def test_a_rotation_without_a_grace_in_range_changes_nothing(
    site: Site, client: httpx.AsyncClient, acme: Organization, admin: dict[str, str], body: dict[str, Any]
) -> None:
    made = await site.appliance.new_key(acme)
    answer = await client.post(f"/v1/keys/{made.stored.id}/rotate", json=body, headers=admin)
    assert_problem(answer, 422, "invalid_request")
    assert site.appliance.accounts.rows.keys == {made.stored.id: made.stored}


async def test_a_revoked_key_is_refused_and_cannot_be_rotated(
    site: Site, client: httpx.AsyncClient, acme: Organization, admin: dict[str, str]
) -> None:
    made = await site.appliance.new_key(acme)
    for _ in range(2):
        answer = await client.delete(f"/v1/keys/{made.stored.id}", headers=admin)
        assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(await client.post("/v1/govern", json=QUESTION, headers=bearer(made.key)), 401, "not_authenticated")
    answer = await client.post(f"/v1/keys/{made.stored.id}/rotate", json={"grace_seconds": 0}, headers=admin)
    assert_problem(answer, 409, "conflict")
    assert "retry-after" not in answer.headers
    assert (await client.get(f"/v1/keys/{made.stored.id}", headers=admin)).json()["status"] == "revoked"


async def test_events_tell_what_happened_and_usage_how_often(
    site: Site, client: httpx.AsyncClient, acme: Organization, admin: dict[str, str]
) -> None:
    made = await site.appliance.new_key(acme)
    path = f"/v1/keys/{made.stored.id}"
    for _ in range(3):
        await client.post("/v1/govern", json=QUESTION, headers=bearer(made.key))
    assert_problem(await client.get("/v1/ledger", headers=bearer(made.key)), 403, "missing_scope")
    site.appliance.clock.advance(1000)
    await client.delete(path, headers=admin)
    await client.get("/v1/ledger", headers=bearer(made.key))
    await site.appliance.usage.flush()
    shown = (await client.get(f"{path}/events", headers=admin)).json()
    day = time_text(site.appliance.clock.now_us())[:10]
    assert shown["usage"] == [
        {"day": day, "outcome": outcome, "requests": requests}
        for outcome, requests in (("admitted", 3), ("forbidden", 1), ("revoked", 1))
    ]
    assert [(one["event"], one["actor"]["kind"]) for one in shown["data"]] == [
        ("created", "system"),
        ("revoked", "user"),
    ]
    assert set(shown["data"][0]) == {"event", "time", "actor"}
    assert shown["next_cursor"] is None


async def test_lists_have_pages(
    site: Site, client: httpx.AsyncClient, acme: Organization, admin: dict[str, str]
) -> None:
    made = []
    for _ in range(5):
        made.append(str((await site.appliance.new_key(acme)).stored.id))
        site.appliance.clock.advance(1000)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(3):
        page = (await client.get("/v1/keys", params=query, headers=admin)).json()
        seen += [one["id"] for one in page["data"]]
        query["cursor"] = page["next_cursor"]
    assert seen == made
    assert page["next_cursor"] is None
    for wrong in ({"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"cursor": made[0].upper()}):
        assert_problem(await client.get("/v1/keys", params=wrong, headers=admin), 422, "invalid_request")


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_roles_are_those_of_the_contract_and_keys_manage_nothing(
    site: Site, client: httpx.AsyncClient, acme: Organization, route: tuple[str, str]
) -> None:
    may = {Role.OWNER, Role.ADMIN, Role.AUDITOR if route == EVENTS else Role.DEVELOPER}
    made = await site.appliance.new_key(acme, scopes=list(Scope))
    target = await site.appliance.new_key(acme)
    assert_problem(await ask(client, route, str(target.stored.id), bearer(made.key)), 403, "forbidden")
    for role in Role:
        headers = bearer(await user_token(site.appliance, acme, role))
        answer = await ask(client, route, str(target.stored.id), headers)
        if role in may:
            assert answer.status_code in {200, 201, 204}, (role, answer.text)
            if route[0] == "DELETE":
                target = await site.appliance.new_key(acme)
        else:
            assert_problem(answer, 403, "forbidden")
    assert site.appliance.accounts.rows.keys[made.stored.id] == made.stored


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_changes_need_a_fresh_sign_in(
    site: Site, client: httpx.AsyncClient, acme: Organization, route: tuple[str, str]
) -> None:
    target = await site.appliance.new_key(acme)
    headers = bearer(await user_token(site.appliance, acme, Role.ADMIN))
    site.appliance.clock.advance(STEP_UP_US + 1_000_000)
    answer = await ask(client, route, str(target.stored.id), headers)
    if route in CHANGES:
        assert_problem(answer, 403, "step_up_required")
        assert site.appliance.accounts.rows.keys == {target.stored.id: target.stored}
    else:
        assert answer.status_code == 200


async def test_a_developer_neither_makes_nor_obtains_a_key_with_audit(
    site: Site, client: httpx.AsyncClient, acme: Organization
) -> None:
    headers = bearer(await user_token(site.appliance, acme, Role.DEVELOPER))
    made = await site.appliance.new_key(acme, scopes=[Scope.AUDIT])
    created = await client.post("/v1/keys", json={**BODY, "scopes": ["govern", "audit"]}, headers=headers)
    rotated = await client.post(f"/v1/keys/{made.stored.id}/rotate", json={"grace_seconds": 0}, headers=headers)
    for answer in (created, rotated):
        assert "`audit`" in assert_problem(answer, 403, "forbidden")["detail"]
    assert site.appliance.accounts.rows.keys == {made.stored.id: made.stored}


@pytest.mark.parametrize("route", [route for route in ROUTES if "{id}" in route[1]], ids=" ".join)
async def test_no_id_an_unknown_one_and_a_foreign_one_get_the_same_answer(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str], route: tuple[str, str]
) -> None:
    foreign = await site.appliance.new_key(await site.appliance.start("Other"))
    own = foreign.stored.id
    bodies = set()
    for key_id in (str(own), str(uuid4()), "x", "0", "%00", str(own).upper(), f"{{{own}}}", own.hex, "é", "a" * 5000):
        answer = await ask(client, route, key_id, admin)
        problem = assert_problem(answer, 404, "not_found")
        bodies.add(answer.text.replace(problem["request_id"], ""))
    assert len(bodies) == 1
    assert site.appliance.accounts.rows.keys == {own: foreign.stored}
    listed = await client.get("/v1/keys", params={"cursor": str(own)}, headers=admin)
    assert listed.json() == {"data": [], "next_cursor": None}
