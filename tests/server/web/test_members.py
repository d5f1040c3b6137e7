"""The routes of registration, members and organization: shapes, steps up, and members that nobody may set."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from governlayer_server.domain.access import STEP_UP_US, Role, Scope
from governlayer_server.domain.account import User
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan

from tests.fakes.people import PASSWORD, add_user, sign_in
from tests.server.web.conftest import Site, assert_problem, bearer

Headers = dict[str, str]


@pytest.fixture
async def owner(site: Site, acme: Organization) -> User:
    return await add_user(site.appliance, acme, Role.OWNER)


@pytest.fixture
async def signed_in(site: Site, owner: User) -> Headers:
    return bearer(await sign_in(site.appliance, owner))


async def found(client: httpx.AsyncClient, site: Site, **members: Any) -> httpx.Response:
    token = await site.appliance.manage_organizations.invite(Plan.PRO)
    body = {"organization": "New", "email": "new@example.org", "password": PASSWORD, "invite": token, **members}
    return await client.post("/v1/auth/register", json=body)


async def test_who_founds_an_organization_is_told_what_it_is(site: Site, client: httpx.AsyncClient) -> None:
    answer = await found(client, site)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert set(body) == {"organization", "user"}
    assert set(body["organization"]) == {"id", "name", "plan"}
    assert (body["organization"]["name"], body["organization"]["plan"]) == ("New", "pro")
    assert body["user"] == {"id": body["user"]["id"], "role": "owner"}


async def test_without_an_invitation_registration_is_closed(client: httpx.AsyncClient) -> None:
    body = {"organization": "New", "email": "new@example.org", "password": PASSWORD}
    assert_problem(await client.post("/v1/auth/register", json=body), 403, "registration_closed")
    assert_problem(await client.post("/v1/auth/register", json={**body, "invite": "x"}), 401, "not_authenticated")


MORE = {
    "id": str(uuid4()), "organization_id": str(uuid4()), "plan": "enterprise", "seal": "AAAA", "role": "owner",
    "password_hash": "x", "status": "active", "closed_us": None, "disabled_us": None, "created_us": 0, "tenant": "system",
    "user_id": str(uuid4()), "settings": {}, "scopes": ["govern"], "is_admin": True,
}  # fmt: skip


async def assert_unknown(client: httpx.AsyncClient, place: tuple[str, str], body: Any, name: str, **more: Any) -> None:
    answer = await client.request(*place, json=body, **more)
    fault = assert_problem(answer, 422, "invalid_request")["errors"]
    assert [one["detail"] for one in fault] == ["unknown member"]
    assert fault[0]["pointer"].endswith(f"/{name}")


@pytest.mark.parametrize("name", MORE)
async def test_no_member_that_is_not_the_callers_to_set_is_admitted(
    site: Site, client: httpx.AsyncClient, owner: User, signed_in: Headers, name: str
) -> None:
    member = {name: MORE[name]}
    before = site.appliance.accounts.rows.copy()
    register = {"organization": "New", "email": "new@example.org", "password": PASSWORD, "invite": "x"}
    await assert_unknown(client, ("POST", "/v1/auth/register"), {**register, **member}, name)
    if name != "role":
        invite = {"email": "ann@example.org", "role": "viewer", **member}
        await assert_unknown(client, ("POST", "/v1/users"), invite, name, headers=signed_in)
        change = {"disabled": False, **member}
        await assert_unknown(client, ("PATCH", f"/v1/users/{owner.id}"), change, name, headers=signed_in)
    if name != "settings":
        await assert_unknown(client, ("PATCH", "/v1/organization"), {"name": "N", **member}, name, headers=signed_in)
    settings = {"settings": {"on_error": "deny", **member}}
    await assert_unknown(client, ("PATCH", "/v1/organization"), settings, name, headers=signed_in)
    assert vars(site.appliance.accounts.rows) == vars(before)


@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", "/v1/users", {"email": "ann@example.org", "role": "root"}, "/role"),
        ("POST", "/v1/users", {"email": 1, "role": "viewer"}, "/email"),
        ("POST", "/v1/users", {"email": "x", "role": "viewer"}, "/email"),
        ("PATCH", "/v1/users/ID", {"role": None}, "/role"),
        ("PATCH", "/v1/users/ID", {"disabled": "yes"}, "/disabled"),
        ("PATCH", "/v1/users/ID", {}, ""),
        ("PATCH", "/v1/organization", {}, ""),
        ("PATCH", "/v1/organization", {"name": None}, "/name"),
        ("PATCH", "/v1/organization", {"name": " "}, "/name"),
        ("PATCH", "/v1/organization", {"settings": None}, "/settings"),
        ("PATCH", "/v1/organization", {"settings": {"retention_days": 182}}, "/settings/retention_days"),
        ("PATCH", "/v1/organization", {"settings": {"retention_days": True}}, "/settings/retention_days"),
        ("PATCH", "/v1/organization", {"settings": {"retention": {"x": 200}}}, "/settings/retention/x"),
        ("PATCH", "/v1/organization", {"settings": {"retention": {"findings": 9}}}, "/settings/retention/findings"),
        ("PATCH", "/v1/organization", {"settings": {"retention_reason": "Ann's"}}, "/settings/retention_reason"),
        ("PATCH", "/v1/organization", {"settings": {"registration": "open"}}, "/settings/registration"),
    ],
)
async def test_a_value_outside_its_limits_is_refused_at_its_place(
    client: httpx.AsyncClient, owner: User, signed_in: Headers, method: str, path: str, body: Any, pointer: str
) -> None:
    answer = await client.request(method, path.replace("ID", str(owner.id)), json=body, headers=signed_in)
    assert [one["pointer"] for one in assert_problem(answer, 422, "invalid_request")["errors"]] == [pointer]


async def test_me_is_the_caller_and_their_organization(
    site: Site, client: httpx.AsyncClient, acme: Organization, owner: User, signed_in: Headers
) -> None:
    organization = {"id": str(acme.id), "name": "Acme", "plan": "pro"}
    user = (await client.get("/v1/me", headers=signed_in)).json()
    assert user == {
        "kind": "user", "id": str(owner.id), "organization": organization, "role": "owner",
        "email": f"{owner.id}@example.org",
    }  # fmt: skip
    key = await site.appliance.key_for(acme, Scope.RISK, Scope.AUDIT)
    asked = (await client.get("/v1/me", headers=bearer(key))).json()
    (stored,) = site.appliance.accounts.rows.keys
    scopes = ["audit", "risk"]
    assert asked == {"kind": "api_key", "id": str(stored), "organization": organization, "scopes": scopes}


async def test_an_invitation_is_shown_once_and_not_kept_by_anybody_in_between(
    site: Site, client: httpx.AsyncClient, signed_in: Headers
) -> None:
    body = {"email": "ann@example.org", "role": "auditor"}
    answer = await client.post("/v1/users", json=body, headers=signed_in)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    made = answer.json()
    assert made["invite_url"] == f"https://gl.example.com/join#invite={made['invite']}"
    assert (made["email"], made["role"], made["status"]) == ("ann@example.org", "auditor", "invited")
    shown = (await client.get(f"/v1/users/{made['id']}", headers=signed_in)).json()
    assert shown == {name: made[name] for name in ("id", "email", "role", "status", "created_at")}
    again = await client.post(f"/v1/users/{made['id']}/invitation", headers=signed_in)
    assert (again.status_code, again.headers["cache-control"]) == (201, "no-store")
    joining = {"email": "ann@example.org", "password": PASSWORD, "invite": made["invite"]}
    assert_problem(await client.post("/v1/auth/register", json=joining), 401, "not_authenticated")
    joined = await client.post("/v1/auth/register", json={**joining, "invite": again.json()["invite"]})
    assert (joined.status_code, joined.json()["user"]) == (201, {"id": made["id"], "role": "auditor"})
    assert (await client.get(f"/v1/users/{made['id']}", headers=signed_in)).json()["status"] == "active"
    assert made["invite"] not in str(site.log)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/users", {"email": "ann@example.org", "role": "viewer"}),
        ("PATCH", "/v1/users/ID", {"role": "admin"}),
        ("DELETE", "/v1/users/ID", None),
        ("POST", "/v1/users/ID/invitation", None),
        ("PATCH", "/v1/organization", {"name": "New"}),
    ],
)
async def test_a_dangerous_act_needs_password_and_code_shown_lately(
    site: Site, client: httpx.AsyncClient, acme: Organization, owner: User, method: str, path: str, body: Any
) -> None:
    again = path.endswith("invitation")
    member = await add_user(site.appliance, acme, Role.VIEWER, joined=not again)
    path = path.replace("ID", str(member.id))
    late = site.appliance.clock.now_us() - STEP_UP_US - 1
    for moment, status in ((late, 403), (late + 1, None)):
        token = await sign_in(site.appliance, owner, authenticated_us=moment)
        answer = await client.request(method, path, json=body, headers=bearer(token))
        if status is None:
            assert answer.is_success, answer.text
        else:
            assert_problem(answer, 403, "step_up_required")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "POST"])
async def test_an_unknown_a_foreign_and_a_malformed_id_are_equally_absent(
    site: Site, client: httpx.AsyncClient, signed_in: Headers, method: str
) -> None:
    other = await site.appliance.create_organization("Other", Plan.PRO, "other@example.com", None)
    theirs = await add_user(site.appliance, other, Role.VIEWER, joined=False)
    before = site.appliance.accounts.rows.copy()
    details = set()
    for user_id in (uuid4(), theirs.id, "x", str(theirs.id).upper() + "0", "0", "%00", "0" * 5000):
        path = f"/v1/users/{user_id}" + ("/invitation" if method == "POST" else "")
        body = {"role": "admin"} if method == "PATCH" else None
        answer = await client.request(method, path, json=body, headers=signed_in)
        details.add(assert_problem(answer, 404, "not_found")["detail"])
    assert details == {"there is no such user"}
    assert vars(site.appliance.accounts.rows) == vars(before)


async def test_members_are_listed_in_pages(
    site: Site, client: httpx.AsyncClient, acme: Organization, signed_in: Headers
) -> None:
    for _ in range(3):
        await add_user(site.appliance, acme, Role.VIEWER)
    seen, cursor = [], None
    while True:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/v1/users", params=query, headers=signed_in)).json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(set(seen)) == seen
    assert len(seen) == 5
    for wrong in ({"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"cursor": f"{uuid4()}\n"}):
        assert_problem(await client.get("/v1/users", params=wrong, headers=signed_in), 422, "invalid_request")


async def test_the_last_owner_is_told_so_and_a_member_is_removed(
    site: Site, client: httpx.AsyncClient, acme: Organization, owner: User, signed_in: Headers
) -> None:
    refused = await client.delete(f"/v1/users/{owner.id}", headers=signed_in)
    assert_problem(refused, 409, "last_owner")
    assert "retry-after" not in refused.headers
    member = await add_user(site.appliance, acme, Role.VIEWER)
    answer = await client.delete(f"/v1/users/{member.id}", headers=signed_in)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_changed_member_is_signed_out(
    site: Site, client: httpx.AsyncClient, acme: Organization, signed_in: Headers
) -> None:
    member = await add_user(site.appliance, acme, Role.VIEWER)
    theirs = bearer(await sign_in(site.appliance, member))
    assert (await client.get("/v1/me", headers=theirs)).status_code == 200
    changed = await client.patch(f"/v1/users/{member.id}", json={"role": "auditor"}, headers=signed_in)
    assert changed.json()["role"] == "auditor"
    assert_problem(await client.get("/v1/me", headers=theirs), 401, "not_authenticated")


@pytest.mark.parametrize("role", Role)
async def test_every_member_sees_the_organization_and_managers_change_it(
    site: Site, client: httpx.AsyncClient, acme: Organization, role: Role
) -> None:
    headers = bearer(await sign_in(site.appliance, await add_user(site.appliance, acme, role)))
    shown = (await client.get("/v1/organization", headers=headers)).json()
    settings = {
        "on_error": "deny", "default_decision": "deny", "retention_days": None, "store_payloads": "encrypted",
        "registration": "invite", "retention_reason": None,
        "retention": {"arguments": None, "content": None, "context": None, "findings": None},
    }  # fmt: skip
    assert {**shown, "created_at": None} == {
        "id": str(acme.id), "name": "Acme", "plan": "pro", "created_at": None, "settings": settings,
    }  # fmt: skip
    change = {"name": "Acme 2", "settings": {"retention_days": 200}}
    answer = await client.patch("/v1/organization", json=change, headers=headers)
    if role in {Role.OWNER, Role.ADMIN}:
        assert answer.json() == {**shown, "name": "Acme 2", "settings": {**settings, "retention_days": 200}}
    else:
        assert_problem(answer, 403, "forbidden")


async def test_usage_is_listed_per_day(
    site: Site, client: httpx.AsyncClient, acme: Organization, owner: User, signed_in: Headers
) -> None:
    site.appliance.usage.note(acme.id, "key", "admitted")
    (day,) = (await client.get("/v1/organization/usage", headers=signed_in)).json()["data"]
    # This very request counts too.
    assert {"id": "key", "outcomes": {"admitted": 1}} in day["principals"]
    assert (len(day["principals"]), day["totals"]) == (2, {"admitted": 2})
    assert len(day["date"]) == 10
    for days in ("0", "91", "x"):
        wrong = await client.get("/v1/organization/usage", params={"days": days}, headers=signed_in)
        assert_problem(wrong, 422, "invalid_request")


async def test_an_invitation_asked_for_again_gets_the_stored_answer(
    site: Site, client: httpx.AsyncClient, signed_in: Headers
) -> None:
    headers, body = {**signed_in, "Idempotency-Key": "one"}, {"email": "ann@example.org", "role": "viewer"}
    first = await client.post("/v1/users", json=body, headers=headers)
    for path, sent in (("/v1/users", {"json": body}), (f"/v1/users/{first.json()['id']}/invitation", {})):
        answers = [await client.post(path, headers=headers, **sent) for _ in range(2)]
        assert [one.status_code for one in answers] == [201, 201]
        assert answers[0].content == answers[1].content
        assert answers[1].headers["idempotency-replayed"] == "true"
        assert answers[1].headers["cache-control"] == "no-store"
        assert len(site.appliance.accounts.rows.tokens) == 1
    assert "idempotency-replayed" not in first.headers
    other = await client.post("/v1/users", json={**body, "role": "admin"}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(("name", "most"), [("email", 254), ("password", 1024), ("organization", 100), ("invite", 512)])
async def test_texts_that_are_too_long_are_refused_before_anything_looks_at_them(
    client: httpx.AsyncClient, name: str, most: int
) -> None:
    body = {"organization": "New", "email": "new@example.org", "password": PASSWORD, "invite": "x"}
    refused = await client.post("/v1/auth/register", json={**body, name: "x" * (most + 1)})
    assert [one["pointer"] for one in assert_problem(refused, 422, "invalid_request")["errors"]] == [f"/{name}"]
    schema = (await client.get("/openapi.json")).json()["components"]["schemas"]["RegisterBody"]["properties"][name]
    (limit,) = [one["maxLength"] for one in schema.get("anyOf", [schema]) if "maxLength" in one]
    assert limit == most


async def test_an_address_that_is_too_long_is_not_invited(
    site: Site, client: httpx.AsyncClient, signed_in: Headers
) -> None:
    body = {"email": "x" * 255, "role": "viewer"}
    refused = await client.post("/v1/users", json=body, headers=signed_in)
    assert [one["pointer"] for one in assert_problem(refused, 422, "invalid_request")["errors"]] == ["/email"]
