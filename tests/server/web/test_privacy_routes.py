"""/v1/privacy/erasures: what it takes, what it answers, and to whom."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from governlayer_server.domain.access import STEP_UP_US, Role
from governlayer_server.domain.organization import Organization

from tests.fakes.appliance import action, principal_of, user_token
from tests.server.web.conftest import Site, assert_problem, bearer

PLACE = "/v1/privacy/erasures"
BASIS = "GDPR Art. 17(1)(a)"


@pytest.fixture
async def admin(site: Site, acme: Organization) -> dict[str, str]:
    return bearer(await user_token(site.appliance, acme, Role.ADMIN))


async def decide(site: Site, organization: Organization, *names: str) -> str:
    asked = action("text", data_subjects=list(names))
    return (await site.appliance.govern(principal_of(organization), asked, None)).decision.decision_id


async def test_a_data_subject_is_erased_and_the_erasure_can_be_read_again(
    site: Site, acme: Organization, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    await decide(site, acme, "ann@example.com")
    answer = await client.post(PLACE, json={"data_subject": "ann@example.com", "basis": BASIS}, headers=admin)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["kind"], body["records"], body["basis"], len(body["subjects"])) == ("subject", 1, BASIS, 1)
    assert body["certificate"].startswith("GovernLayer erasure certificate v1\n{")
    assert "ann" not in answer.text
    again = await client.post(PLACE, json={"data_subject": "ann@example.com", "basis": BASIS}, headers=admin)
    assert again.json() == body
    assert (await client.get(f"{PLACE}/{body['id']}", headers=admin)).json() == body
    assert (await client.get(PLACE, headers=admin)).json() == {"data": [body], "next_cursor": None}
    page = (await client.get(f"{PLACE}?limit=1", headers=admin)).json()
    assert page == {"data": [body], "next_cursor": body["id"]}
    rest = await client.get(f"{PLACE}?limit=1&cursor={body['id']}", headers=admin)
    assert rest.json() == {"data": [], "next_cursor": None}


async def test_a_decision_is_erased(
    site: Site, acme: Organization, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    decision_id = await decide(site, acme)
    answer = await client.post(PLACE, json={"decision_id": decision_id, "basis": BASIS}, headers=admin)
    assert (answer.json()["kind"], answer.json()["decision_id"]) == ("decision", decision_id)


async def test_the_idempotency_key_gives_the_same_answer_whatever_came_since(
    site: Site, acme: Organization, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    headers, body = {**admin, "Idempotency-Key": "one"}, {"data_subject": "ann", "basis": BASIS}
    await decide(site, acme, "ann")
    first = await client.post(PLACE, json=body, headers=headers)
    await decide(site, acme, "ann")
    assert (await client.post(PLACE, json=body, headers=headers)).json() == first.json()
    other = await client.post(PLACE, json={**body, "data_subject": "bob"}, headers=headers)
    assert_problem(other, 422, "idempotency_key_reused")


async def test_what_is_not_there_or_another_organizations_is_not_found(
    site: Site, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    other = await site.appliance.start("Other")
    theirs = await decide(site, other, "ann")
    asked: list[dict[str, str]] = [{"data_subject": "ann"}, {"decision_id": theirs}, {"decision_id": str(uuid4())}]
    for one in asked:
        answer = await client.post(PLACE, json={**one, "basis": BASIS}, headers=admin)
        assert_problem(answer, 404, "not_found")
    their_admin = bearer(await user_token(site.appliance, other, Role.OWNER))
    done = await client.post(PLACE, json={"data_subject": "ann", "basis": BASIS}, headers=their_admin)
    assert_problem(await client.get(f"{PLACE}/{done.json()['id']}", headers=admin), 404, "not_found")
    assert_problem(await client.get(f"{PLACE}/x", headers=admin), 404, "not_found")
    assert (await client.get(PLACE, headers=admin)).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"basis": BASIS}, ""),
        ({"data_subject": "ann", "decision_id": str(uuid4()), "basis": BASIS}, ""),
        ({"data_subject": "ann"}, ""),
        ({"data_subject": "", "basis": BASIS}, "/data_subject"),
        ({"data_subject": "a" * 513, "basis": BASIS}, "/data_subject"),
        ({"decision_id": "x", "basis": BASIS}, "/decision_id"),
        ({"data_subject": "ann", "basis": ""}, "/basis"),
        ({"data_subject": "ann", "basis": "ann@example.com asked"}, "/basis"),
        ({"data_subject": "ann", "basis": "a" * 101}, "/basis"),
        ({"data_subject": "ann", "basis": BASIS, "more": 1}, ""),
    ],
)
async def test_what_does_not_fit_is_refused_and_its_place_is_named(
    client: httpx.AsyncClient, admin: dict[str, str], body: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(await client.post(PLACE, json=body, headers=admin), 422, "invalid_request")
    assert problem["errors"][0]["pointer"].startswith(pointer)


async def test_only_admins_who_have_shown_their_password_lately_erase(
    site: Site, acme: Organization, client: httpx.AsyncClient, key: str
) -> None:
    await decide(site, acme, "ann")
    body = {"data_subject": "ann", "basis": BASIS}
    for role in set(Role) - {Role.OWNER, Role.ADMIN}:
        headers = bearer(await user_token(site.appliance, acme, role))
        assert_problem(await client.post(PLACE, json=body, headers=headers), 403, "forbidden")
    assert_problem(await client.post(PLACE, json=body, headers=bearer(key)), 403, "forbidden")
    owner = bearer(await user_token(site.appliance, acme, Role.OWNER))
    site.appliance.clock.advance(STEP_UP_US + 1)
    assert_problem(await client.post(PLACE, json=body, headers=owner), 403, "step_up_required")
    auditor = bearer(await user_token(site.appliance, acme, Role.AUDITOR))
    assert (await client.get(PLACE, headers=auditor)).json()["data"] == []
