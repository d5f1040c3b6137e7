"""Pages and their files: from package data, under hashed names, and nothing else."""

import hashlib

import httpx
import pytest
from governlayer_server.console.pages import Assets, page_route, static_route
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar

CSS = b"p { margin: 0 }"
HTML = b'<link rel="stylesheet" href="/static/a.css"><script src="/static/b.js"></script>'
FILES = {"a.css": CSS, "b.js": b"'use strict';", "first.html": HTML}


def hashed(name: str) -> str:
    stem, _, ending = name.rpartition(".")
    return f"/static/{stem}.{hashlib.sha256(FILES[name]).hexdigest()[:12]}.{ending}"


@pytest.fixture
def client() -> httpx.AsyncClient:
    assets = Assets(FILES)
    app = Litestar([page_route("/first", "first.html", "First", assets), static_route(assets)], openapi_config=None)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def test_a_page_names_its_files_by_their_content(client: httpx.AsyncClient) -> None:
    answer = await client.get("/first")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == f'<link rel="stylesheet" href="{hashed("a.css")}"><script src="{hashed("b.js")}"></script>'


@pytest.mark.parametrize(("name", "kind"), [("a.css", "text/css"), ("b.js", "text/javascript")])
async def test_a_file_has_its_type_and_is_kept_for_ever(client: httpx.AsyncClient, name: str, kind: str) -> None:
    answer = await client.get(hashed(name))
    assert answer.content == FILES[name]
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["a.css", "first.html", "a.000000000000.css", "..%2Fpages.py", "%2e%2e/pages.py", ""])
async def test_no_other_name_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/static/{path}")).status_code >= 400


def test_a_page_that_names_a_missing_file_is_found_at_the_start() -> None:
    with pytest.raises(KeyError):
        Assets({"first.html": HTML, "a.css": CSS})
    with pytest.raises(KeyError):
        Assets({"a.exe": b""})
    with pytest.raises(KeyError):
        Assets(FILES).page("second.html")


@given(st.text())
def test_only_hashed_names_lead_to_files(name: str) -> None:
    assert Assets(FILES).file(name) is None


def test_what_is_shipped_loads() -> None:
    assert Assets.shipped().url("docs.css").startswith("/static/docs.")
