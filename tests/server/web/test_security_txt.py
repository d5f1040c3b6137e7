"""``/.well-known/security.txt`` (RFC 9116)."""

import httpx
import pytest
from governlayer_server.domain.times import parse_time
from governlayer_server.web.edge import Edge
from governlayer_server.web.routes.security_txt import security_txt
from hypothesis import given
from hypothesis import strategies as st

from tests.server.web.conftest import Site, assert_problem

DAY_US = 24 * 3600 * 1_000_000
CONTACT = "mailto:security@example.com"


async def get(edge: Edge) -> tuple[Site, httpx.Response]:
    site = Site(edge=edge)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url="http://test") as client:
        return site, await client.get("/.well-known/security.txt")


def fields(text: str) -> dict[str, str]:
    lines = text.splitlines()
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines)
    return found


async def test_it_names_the_contact_and_runs_out_in_half_a_year() -> None:
    site, answer = await get(Edge(security_contact=CONTACT))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    found = fields(answer.text)
    assert set(found) == {"Contact", "Expires", "Preferred-Languages"}
    assert found["Contact"] == CONTACT
    left_us = parse_time(found["Expires"]) - site.appliance.clock.now_us()
    assert 179 * DAY_US < left_us <= 180 * DAY_US


async def test_with_a_public_url_it_names_its_own_place() -> None:
    _, answer = await get(Edge(security_contact="https://example.com/report", public_url="https://gl.example.com:8443"))
    assert fields(answer.text)["Canonical"] == "https://gl.example.com:8443/.well-known/security.txt"


async def test_without_a_contact_there_is_none_and_the_operator_is_told_why() -> None:
    _, answer = await get(Edge(public_url="https://gl.example.com"))
    assert "GOVERNLAYER_SECURITY_CONTACT" in assert_problem(answer, 404, "not_found")["detail"]


@given(st.integers(min_value=0, max_value=4_102_444_800_000_000))
def test_it_never_runs_out_later_than_a_year_from_now(now_us: int) -> None:
    expires = fields(security_txt(Edge(security_contact=CONTACT), now_us))["Expires"]
    assert expires.endswith("Z")
    assert 0 < parse_time(expires) - now_us < 365 * DAY_US


@pytest.mark.parametrize("text", ["mailto:a@b\nCanonical: https://x", "mailto:a@b\r", "https://a/\x00"])
def test_a_contact_cannot_add_lines(text: str) -> None:
    with pytest.raises(Exception, match="security contact"):
        Edge(security_contact=text)
