"""``/setup``, ``/join``, ``/reset``: nothing inline, nothing from elsewhere, forms that everybody can fill in."""

import re
from importlib.resources import files

import httpx
import pytest
from governlayer_server.domain.password import MAX_CHARACTERS, MIN_CHARACTERS

from tests.server.console.test_docs import Page
from tests.server.web.conftest import Site

# path → the members of the request that the form fills in, in the order in which they are asked for.
ASKED = {
    "/setup": ("/v1/auth/register", "invite", ["organization", "email", "password", "repeat"]),
    "/join": ("/v1/auth/register", "invite", ["email", "password"]),
    "/reset": ("/v1/auth/reset", "token", ["new_password", "repeat"]),
}
AUTOCOMPLETE = {
    "organization": "organization",
    "email": "email",
    "password": "new-password",
    "new_password": "new-password",
    "repeat": "new-password",
}
SCRIPT = (files("governlayer_server.console") / "static" / "account.js").read_text()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def client(site: Site) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url="http://test")


@pytest.fixture(params=ASKED)
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def page(client: httpx.AsyncClient, path: str) -> Page:
    return Page((await client.get(path)).text)


async def test_pages_are_open_to_anyone_and_never_kept(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


async def test_pages_only_show(site: Site, client: httpx.AsyncClient, path: str) -> None:
    """Whatever the query says: the page is the same bytes, and no other method is served."""
    first = await client.get(path)
    assert (await client.get(path, params={"invite": "glt_x", "token": "glt_x"})).content == first.content
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, path)).status_code == 405
    assert not await site.appliance.accounts.organizations()


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(page: Page) -> None:
    assert {name for name, _ in page.elements}.isdisjoint({"style", "iframe", "object", "base", "embed"})
    for name, attributes in page.elements:
        assert not [one for one in attributes if one.startswith("on") or one == "style"]
        if name == "script":
            assert set(attributes) == {"type", "src"}, "a script is a file of its own"
    assert all(link.startswith("/") and not link.startswith("//") for link in page.links())
    (policy,) = [one["content"] for _, one in page.elements if "http-equiv" in one]
    assert policy is not None
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


async def test_all_links_lead_somewhere(client: httpx.AsyncClient, page: Page) -> None:
    for link in page.links():
        assert (await client.get(link)).status_code == 200, link


def test_ids_are_unique_and_whatever_names_one_finds_it(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("for", "aria-describedby", "aria-controls", "data-repeats"):
            assert set((attributes.get(name) or "").split()) <= set(ids), attributes
    assert set(re.findall(r'byId\("([^"]+)"\)', SCRIPT)) <= set(ids)


def test_every_input_has_a_label_a_purpose_and_a_place_for_its_error(page: Page, path: str) -> None:
    endpoint, token, names = ASKED[path]
    (form,) = [attributes for name, attributes in page.elements if name == "form"]
    assert (form["data-endpoint"], form["data-token"]) == (endpoint, token)
    inputs = [attributes for name, attributes in page.elements if name == "input"]
    assert [one["name"] for one in inputs] == names
    labels = [attributes["for"] for name, attributes in page.elements if name == "label"]
    assert labels == [one["id"] for one in inputs]
    for one in inputs:
        assert one["name"] is not None
        assert one["autocomplete"] == AUTOCOMPLETE[one["name"]]
        assert "required" in one
        assert f"{one['id']}-error" in (one["aria-describedby"] or "").split()
        assert "maxlength" not in one, "browsers would cut a password without a word"


def test_without_javascript_no_password_can_land_in_an_address(page: Page) -> None:
    (form,) = [attributes for name, attributes in page.elements if name == "form"]
    assert form["method"] == "post"
    assert "hidden" in form
    assert "noscript" in {name for name, _ in page.elements}


def test_the_rules_for_passwords_are_those_of_the_server(page: Page) -> None:
    assert f"{MIN_CHARACTERS} to {MAX_CHARACTERS} characters" in " ".join(page.words)
    assert f"MIN_CHARACTERS = {MIN_CHARACTERS};" in SCRIPT
    assert f"MAX_CHARACTERS = {MAX_CHARACTERS};" in SCRIPT


def test_the_script_makes_no_markup_and_keeps_nothing() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval", "Function(", "Storage",
                 "cookie", "console.", "import", "http:", "https:"):  # fmt: skip
        assert word not in SCRIPT, word
