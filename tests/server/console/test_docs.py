"""The API reference: all of the OpenAPI document, nothing inline, nothing from elsewhere, text that stays text."""

import re
from html.parser import HTMLParser

import httpx
import pytest
from governlayer_server.console.docs import reference
from governlayer_server.console.markup import Markup, element, join
from governlayer_server.console.pages import Assets
from hypothesis import given
from hypothesis import strategies as st

from tests.server.web.conftest import Site


class Page(HTMLParser):
    """The elements of a page: name, attributes; and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def links(self) -> list[str]:
        return [value or "" for _, found in self.elements for name, value in found.items() if name in {"href", "src"}]


@pytest.fixture
def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=Site().app), base_url="http://test")


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(answer.text)
    assert {name for name, _ in page.elements}.isdisjoint({"script", "style", "iframe", "object", "base", "form"})
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in page.links())


async def test_all_links_lead_somewhere(client: httpx.AsyncClient) -> None:
    page = Page((await client.get("/docs")).text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.links():
        if link.startswith("#"):
            assert link[1:] in ids, link
        else:
            assert (await client.get(link)).status_code == 200, link


async def test_every_operation_and_schema_of_the_document_is_shown(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    page = Page((await client.get("/docs")).text)
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {one["operationId"] for item in document["paths"].values() for one in item.values()} <= ids
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= ids
    assert set(document["paths"]) <= set(page.words)


def test_text_of_the_document_never_becomes_an_element() -> None:
    evil = '"><script>alert(1)</script>'
    operation = {
        "operationId": evil,
        "summary": evil,
        "description": f"`{evil}`",
        "parameters": [{"name": evil, "in": evil, "schema": {"enum": [evil], "type": evil}}],
        "responses": {evil: {"description": evil, "content": {evil: {"schema": {"pattern": evil}}}}},
    }
    schema = {"properties": {evil: {"type": [evil], "maxLength": evil}}, "description": evil, "required": [evil]}
    openapi = {
        "info": {"title": evil, "version": evil},
        "paths": {evil: {evil: operation}},
        "components": {"schemas": {evil: schema}},
    }
    html = reference(openapi, Assets.shipped()).decode()
    assert "script" not in {name for name, _ in Page(html).elements}
    assert len(re.findall("&lt;script&gt;", html)) > 10


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were(text: str, value: str) -> None:
    html = element("p", text, title=value)
    page = Page(html)
    # A parser makes one line feed of each line end, and drops U+0000.
    if not set(text + value) & {"\r", "\0"}:
        assert [(name, one["title"]) for name, one in page.elements] == [("p", value)]
        assert "".join(page.words) == text
    assert "<" not in join(text)
    assert join(Markup("<b>")) == "<b>"


async def test_what_anybody_may_read_is_made_once(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = [(await client.get(path)).content for path in ("/docs", "/openapi.json")]

    def again(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("governlayer_server.console.docs.reference", again)
    monkeypatch.setattr("governlayer_server.web.openapi.complete", again)
    assert [(await client.get(path)).content for path in ("/docs", "/openapi.json")] == first
