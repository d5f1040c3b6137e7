"""``/.well-known/security.txt`` (RFC 9116), and the policy that it links to."""

import re

import httpx
import pytest
from governlayer_server.domain.times import parse_time
from governlayer_server.web.edge import Edge
from governlayer_server.web.routes.security_txt import security_txt
from governlayer_server.web.security_policy import security_policy
from hypothesis import given
from hypothesis import strategies as st

from tests.server.web.conftest import Site, assert_problem

DAY_US = 24 * 3600 * 1_000_000
CONTACT = "mailto:security@example.com"


FILE, POLICY = "/.well-known/security.txt", "/docs/security-policy"
PUBLIC_URL = "https://gl.example.com:8443"
# RFC 9116 §4, of the fields that are ours; §2.5.2, §2.5.3, §2.5.7: what leads to the web is https.
GRAMMAR = {
    "Contact": r"(?:mailto:|https://)[!-~]+",
    "Expires": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "Preferred-Languages": r"[a-z]{2}(?:, [a-z]{2})*",
    "Canonical": r"https://[!-~]+/\.well-known/security\.txt",
    "Policy": r"https://[!-~]+",
}


async def get(edge: Edge, path: str = FILE) -> tuple[Site, httpx.Response]:
    site = Site(edge=edge)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=site.app), base_url="http://test") as client:
        return site, await client.get(path)


def fields(text: str) -> dict[str, str]:
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    found = dict(line.split(": ", 1) for line in lines)
    assert len(found) == len(lines)
    for name, value in found.items():
        assert re.fullmatch(GRAMMAR[name], value), (name, value)
    return found


async def test_it_names_the_contact_and_runs_out_in_half_a_year() -> None:
    site, answer = await get(Edge(security_contact=CONTACT))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    found = fields(answer.text)
    assert set(found) == {"Contact", "Expires", "Preferred-Languages"}
    assert found["Contact"] == CONTACT
    left_us = parse_time(found["Expires"]) - site.appliance.clock.now_us()
    assert 179 * DAY_US < left_us <= 180 * DAY_US


async def test_with_a_public_url_it_names_its_own_place_and_the_policy() -> None:
    edge = Edge(security_contact="https://example.com/report", public_url=PUBLIC_URL)
    _, answer = await get(edge)
    found = fields(answer.text)
    assert set(found) == set(GRAMMAR)
    assert found["Canonical"] == PUBLIC_URL + FILE
    assert found["Policy"].startswith(PUBLIC_URL)
    _, policy = await get(edge, found["Policy"].removeprefix(PUBLIC_URL))
    assert policy.status_code == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:8600", "HTTPS://gl.example.com"])
async def test_links_that_do_not_begin_with_https_are_left_out(url: str) -> None:
    _, answer = await get(Edge(security_contact=CONTACT, public_url=url))
    assert set(fields(answer.text)) == {"Contact", "Expires", "Preferred-Languages"}


@pytest.mark.parametrize("path", [FILE, POLICY])
async def test_without_a_contact_there_is_none_and_the_operator_is_told_why(path: str) -> None:
    _, answer = await get(Edge(public_url="https://gl.example.com"), path)
    assert "GOVERNLAYER_SECURITY_CONTACT" in assert_problem(answer, 404, "not_found")["detail"]


async def test_the_policy_names_the_contact_and_all_that_it_promises() -> None:
    _, answer = await get(Edge(security_contact=CONTACT), POLICY)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert f"\nTo {CONTACT}\n" in answer.text
    assert "within 48 hours | an acknowledgement" in answer.text
    assert "within 5 business days | an assessment" in answer.text
    for heading in ("What to send", "Safe harbour", "Scope", "Supported versions"):
        assert f"\n## {heading}\n" in answer.text


async def test_the_policy_of_the_repository_differs_in_the_place_alone() -> None:
    _, answer = await get(Edge(security_contact=CONTACT), POLICY)
    served, kept = (
        re.sub(r"## Where to\n\n.*?\n\n", "", text, flags=re.DOTALL) for text in (answer.text, security_policy())
    )
    assert served == kept != security_policy()


@given(st.integers(min_value=0, max_value=4_102_444_800_000_000))
def test_it_never_runs_out_later_than_a_year_from_now(now_us: int) -> None:
    expires = fields(security_txt(Edge(security_contact=CONTACT), now_us))["Expires"]
    assert expires.endswith("Z")
    assert 0 < parse_time(expires) - now_us < 365 * DAY_US


@pytest.mark.parametrize("text", ["mailto:a@b\nCanonical: https://x", "mailto:a@b\r", "https://a/\x00"])
def test_a_contact_cannot_add_lines(text: str) -> None:
    with pytest.raises(Exception, match="security contact"):
        Edge(security_contact=text)
