"""/v1/privacy/legal-holds… and /v1/privacy/subject-exports (API contract §7)."""

import json
from typing import Any

import httpx
import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.organization import Organization

from tests.fakes.appliance import action, add_user, principal_of, token_of
from tests.server.web.conftest import Site, assert_problem, bearer

HOLDS, EXPORTS = "/v1/privacy/legal-holds", "/v1/privacy/subject-exports"
REASON = "Ann v. Acme, 4 O 12/26"


@pytest.fixture
async def admin(site: Site, acme: Organization) -> dict[str, str]:
    user = await add_user(site.appliance, acme, Role.ADMIN)
    return {**bearer(await token_of(site.appliance, user)), "user": str(user.id)}


async def decide(site: Site, organization: Organization, *names: str) -> None:
    await site.appliance.govern(principal_of(organization), action("about people", data_subjects=list(names)))


def records(site: Site, organization: Organization) -> list[dict[str, Any]]:
    return [json.loads(line) for line in site.appliance.ledger.canonical(str(organization.id))]


async def test_a_hold_is_made_shown_listed_and_released(
    client: httpx.AsyncClient, site: Site, acme: Organization, admin: dict[str, str]
) -> None:
    asked = {"reason": REASON, "data_subject": "ann"}
    answer = await client.post(HOLDS, json=asked, headers=admin)
    assert answer.status_code == 201
    made = answer.json()
    by = {"kind": "user", "id": admin["user"]}
    assert {**made, "id": "", "created_at": ""} == {
        "id": "", "created_at": "", "created_by": by, "kind": "subject", "reason": REASON, "data_subject": "ann",
        "first_seq": None, "last_seq": None, "released_at": None, "released_by": None, "release_reason": None,
    }  # fmt: skip
    assert (await client.get(f"{HOLDS}/{made['id']}", headers=admin)).json() == made
    released = await client.post(f"{HOLDS}/{made['id']}/release", json={"reason": "over"}, headers=admin)
    assert released.status_code == 200
    assert (released.json()["released_by"], released.json()["release_reason"]) == (by, "over")
    site.appliance.clock.advance(1_000)
    ranged = (await client.post(HOLDS, json={"reason": "r", "first_seq": 2}, headers=admin)).json()
    first = (await client.get(f"{HOLDS}?limit=1", headers=admin)).json()
    assert first == {"data": [released.json()], "next_cursor": made["id"]}
    rest = (await client.get(f"{HOLDS}?cursor={first['next_cursor']}", headers=admin)).json()
    assert rest == {"data": [ranged], "next_cursor": None}
    held = [one for one in records(site, acme) if one["type"] == "legal_hold"]
    assert [one["body"]["event"] for one in held] == ["created", "released", "created"]
    assert {one["actor"]["id"] for one in held} == {admin["user"]}
    assert "nn" not in json.dumps(held) + str(site.log)


async def test_the_same_idempotency_key_makes_one_hold(
    client: httpx.AsyncClient, site: Site, acme: Organization, admin: dict[str, str]
) -> None:
    asked = {"json": {"reason": REASON}, "headers": {**admin, "Idempotency-Key": "k"}}
    first = await client.post(HOLDS, **asked)
    size = len(records(site, acme))
    again = await client.post(HOLDS, **asked)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(records(site, acme)) == size
    other = await client.post(HOLDS, json={"reason": "other"}, headers=asked["headers"])
    assert_problem(other, 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""), ({"reason": ""}, "/reason"), ({"reason": " "}, "/reason"), ({"reason": "x" * 501}, "/reason"),
        ({"reason": "r", "why": 1}, "/why"), ({"reason": "r", "data_subject": ""}, "/data_subject"),
        ({"reason": "r", "data_subject": "a", "first_seq": 0}, "/data_subject"),
        ({"reason": "r", "last_seq": 0}, "/first_seq"), ({"reason": "r", "first_seq": -1}, "/first_seq"),
        ({"reason": "r", "first_seq": 2, "last_seq": 1}, "/last_seq"), ({"reason": "r", "first_seq": "1"}, "/first_seq"),
    ],
)  # fmt: skip
async def test_what_is_no_hold_is_refused_at_its_place(
    client: httpx.AsyncClient, site: Site, acme: Organization, admin: dict[str, str], body: Any, pointer: str
) -> None:
    size = len(records(site, acme))
    refused = assert_problem(await client.post(HOLDS, json=body, headers=admin), 422, "invalid_request")
    assert [one["pointer"] for one in refused["errors"]] == [pointer]
    assert len(records(site, acme)) == size


@pytest.mark.parametrize("hold_id", ["0198c5c0-7f00-7000-8000-0000000000ff", "x", "%00"])
async def test_a_hold_that_there_is_not_is_not_found(
    client: httpx.AsyncClient, admin: dict[str, str], hold_id: str
) -> None:
    assert_problem(await client.get(f"{HOLDS}/{hold_id}", headers=admin), 404, "not_found")
    released = await client.post(f"{HOLDS}/{hold_id}/release", json={"reason": "r"}, headers=admin)
    assert_problem(released, 404, "not_found")


async def test_an_export_is_lines_of_all_that_names_the_data_subject(
    client: httpx.AsyncClient, site: Site, acme: Organization, admin: dict[str, str]
) -> None:
    for names in (("ann",), ("bob",), ("ann", "bob")):
        await decide(site, acme, *names)
    answer = await client.post(EXPORTS, json={"data_subject": "ann"}, headers=admin)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert answer.headers["cache-control"] == "no-store"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [next(iter(line)) for line in lines] == ["subject_export", "record", "record", "end"]
    recorded = records(site, acme)[-1]
    assert (recorded["type"], recorded["actor"]["id"]) == ("export", admin["user"])
    assert (recorded["body"]["format"], recorded["body"]["records"]) == ("subject", 2)
    again = {**admin, "Idempotency-Key": "k"}
    size = len(records(site, acme))
    for replayed in (None, "true"):
        answer = await client.post(EXPORTS, json={"data_subject": "ann"}, headers=again)
        assert answer.headers.get("idempotency-replayed") == replayed
        assert len(answer.text.splitlines()) == 4
    assert len(records(site, acme)) == size + 1
    assert "ann" not in str(site.log)


async def test_of_whom_nothing_is_known_there_is_nothing_to_export(
    client: httpx.AsyncClient, site: Site, acme: Organization, admin: dict[str, str]
) -> None:
    other = await site.appliance.start("Other")
    await decide(site, other, "ann")
    size = len(records(site, acme))
    assert_problem(await client.post(EXPORTS, json={"data_subject": "ann"}, headers=admin), 404, "not_found")
    for body in ({}, {"data_subject": ""}, {"data_subject": "x" * 513}, {"data_subject": "a", "x": 1}):
        assert_problem(await client.post(EXPORTS, json=body, headers=admin), 422, "invalid_request")
    assert len(records(site, acme)) == size
