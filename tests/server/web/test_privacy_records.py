"""GET /v1/privacy/…: papers of the caller's own organization, as JSON and as pages."""

import httpx
import pytest
from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan

from tests.fakes.appliance import user_token
from tests.server.web.conftest import Site, assert_problem, bearer

PAPERS = ("/v1/privacy/processing-records", "/v1/privacy/log-keeping")


@pytest.fixture
async def admin(site: Site, acme: Organization) -> dict[str, str]:
    return bearer(await user_token(site.appliance, acme, Role.ADMIN))


@pytest.mark.parametrize("path", PAPERS)
async def test_a_paper_is_json_and_the_same_as_a_page(
    client: httpx.AsyncClient, acme: Organization, admin: dict[str, str], path: str
) -> None:
    plain, asked = await client.get(path, headers=admin), await client.get(f"{path}?format=json", headers=admin)
    body = plain.json()
    assert plain.headers["content-type"] == "application/json"
    assert body == asked.json()
    assert (body["organization"]["id"], body["organization"]["name"]) == (str(acme.id), "Acme")
    assert body["stored"]["records"] >= 2
    page = await client.get(f"{path}?format=markdown", headers=admin)
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text.startswith(f"# {body['title']}\n")
    assert str(acme.id) in page.text
    assert f"{body['stored']['records']} records" in page.text


@pytest.mark.parametrize("path", PAPERS)
async def test_of_another_organization_nothing_is_told(
    site: Site, client: httpx.AsyncClient, acme: Organization, path: str
) -> None:
    other = await site.appliance.create_organization("Umbrella", Plan.FREE, "u@example.com", None)
    for own, foreign in ((acme, other), (other, acme)):
        headers = bearer(await user_token(site.appliance, own, Role.OWNER))
        answer = await client.get(path, headers=headers)
        assert answer.json()["organization"]["name"] == own.name
        assert foreign.name not in answer.text
        assert str(foreign.id) not in answer.text


@pytest.mark.parametrize("path", PAPERS)
async def test_another_format_is_refused(client: httpx.AsyncClient, admin: dict[str, str], path: str) -> None:
    for wrong in ("pdf", "", "JSON"):
        assert_problem(await client.get(f"{path}?format={wrong}", headers=admin), 422, "invalid_request")


@pytest.mark.parametrize("path", PAPERS)
async def test_keys_and_other_members_read_none(
    site: Site, client: httpx.AsyncClient, acme: Organization, path: str
) -> None:
    key = await site.appliance.key_for(acme, *Scope)
    assert_problem(await client.get(path, headers=bearer(key)), 403, "forbidden")
    auditor = await user_token(site.appliance, acme, Role.AUDITOR)
    assert_problem(await client.get(path, headers=bearer(auditor)), 403, "forbidden")
