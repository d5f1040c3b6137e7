"""The operator's choices for the edge: what breaks a rule is refused at the start, and no token is shown."""

import pytest
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import edge_from
from governlayer_server.web.edge import Csp, Edge

TOKEN = "0123456789abcdefghijklmnopqrstuv"


@pytest.mark.parametrize(
    "url",
    ["https://gl.example.com", "https://gl.example.com:8443", "https://192.0.2.1", "https://[2001:db8::1]:8443",
     "http://127.0.0.1:8600", "http://localhost", "http://[::1]:8600"],
)  # fmt: skip
def test_an_origin_is_a_public_url(url: str) -> None:
    assert Edge(public_url=url).public_url == url


@pytest.mark.parametrize(
    "url",
    ["", "gl.example.com", "http://gl.example.com", "https://", "https://gl.example.com/", "https://gl.example.com/x",
     "https://gl.example.com?x", "https://gl.example.com#", "https://u@gl.example.com", "https://u:p@gl.example.com",
     "https://gl.example.com:", "https://gl.example.com:0", "https://gl.example.com:99999", "https://gl.example.com:x",
     "https://gl example.com", "https://gl.example.com\n", "ftp://gl.example.com", "http://127.0.0.1.example.com",
     "https://[::1", "https://é.example", "javascript:alert(1)", "https://a\"b"],
)  # fmt: skip
def test_anything_else_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError, match="public URL"):
        Edge(public_url=url)


@pytest.mark.parametrize("contact", ["mailto:s@example.com", "https://example.com/security", "https://example.com"])
def test_a_contact_is_an_address_or_a_page(contact: str) -> None:
    assert Edge(security_contact=contact).security_contact == contact


@pytest.mark.parametrize(
    "contact",
    ["", "s@example.com", "mailto:", "mailto:s", "mailto:@example.com", "http://example.com", "https://", "tel:+1",
     "mailto:s @example.com", "mailto:s@example.com?subject=x", "https://u@example.com", "HTTPS://example.com", "javascript:alert(1)",
     "mailto:é@example.com", 'mailto:"s"@example.com', "https://example.com/<a>", "https://example.com/%zz",
     "mailto:s@example.com\n", "https://[::1"],
)  # fmt: skip
def test_anything_else_is_no_contact(contact: str) -> None:
    with pytest.raises(ConfigurationError, match="security contact"):
        Edge(security_contact=contact)


@pytest.mark.parametrize(
    "token", ["", TOKEN[:-1], "a" * 64, "ab" * 32, TOKEN + " x", TOKEN + "é", TOKEN + "\n", TOKEN * 20]
)
def test_a_weak_token_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(ConfigurationError, match="metrics token") as refused:
        Edge(metrics_token=token)
    assert not token or token not in str(refused.value)


def test_a_token_is_not_shown() -> None:
    edge = Edge(metrics_token=TOKEN)
    assert TOKEN not in f"{edge!r} {edge} {[edge]}"


def test_all_choices_come_from_the_environment(tmp_path: object) -> None:
    found = edge_from(
        {
            "GOVERNLAYER_CSP": "strict",
            "GOVERNLAYER_PUBLIC_URL": "https://gl.example.com",
            "GOVERNLAYER_SECURITY_CONTACT": "mailto:s@example.com",
            "GOVERNLAYER_METRICS_TOKEN": TOKEN,
        },
        "unused-token-0123456789-unused-token",
    )
    assert found == Edge(
        csp=Csp.STRICT,
        public_url="https://gl.example.com",
        security_contact="mailto:s@example.com",
        metrics_token=TOKEN,
    )
    assert edge_from({}) == Edge()
    assert edge_from({}, TOKEN).metrics_token == TOKEN


@pytest.mark.parametrize("csp", ["", "Strict", "none", "default;"])
def test_an_unknown_policy_is_refused(csp: str) -> None:
    with pytest.raises(ConfigurationError, match="GOVERNLAYER_CSP"):
        edge_from({"GOVERNLAYER_CSP": csp})


def test_an_empty_token_is_refused_rather_than_replaced() -> None:
    with pytest.raises(ConfigurationError, match="metrics token"):
        edge_from({"GOVERNLAYER_METRICS_TOKEN": ""}, TOKEN)
