"""What counts as this machine, and whose address a request has behind proxies."""

from ipaddress import ip_address, ip_network

import pytest
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.network import check_exposure, client_address, is_loopback, parse_networks
from hypothesis import given
from hypothesis import strategies as st

PROXIES = parse_networks(["10.0.0.0/8", "2001:db8:1::/48", "192.0.2.1"])
ADDRESSES = st.ip_addresses().map(str)
STRANGERS = ADDRESSES.filter(lambda text: client_address(text, ["1.1.1.1"], PROXIES) != "1.1.1.1")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    check_exposure(host, tls=False, behind_tls_proxy=False)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "::2", "::ffff:10.0.0.1", "", "LOCALHOST", "localhost.example", "127.1",
     "2130706433", "127.0.0.1 ", "0", "127.0.0.1.example.com"],
)  # fmt: skip
def test_not_loopback_needs_tls_here_or_in_front(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(ConfigurationError) as refused:
        check_exposure(host, tls=False, behind_tls_proxy=False)
    assert all(way in str(refused.value) for way in ("--tls-certificate", "--behind-tls-proxy", "--host 127.0.0.1"))
    check_exposure(host, tls=True, behind_tls_proxy=False)
    check_exposure(host, tls=False, behind_tls_proxy=True)


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "10.0.0.1/8", "example.com", "*", "10.0.0.0-10.0.0.9", "10.0.0"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an IP address or network"):
        parse_networks(["10.0.0.1", text])


def test_networks() -> None:
    assert parse_networks(["10.0.0.1", "::1/128"]) == (ip_network("10.0.0.1/32"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["1.1.1.1"], "203.0.113.9"),  # said by nobody we know
        ("203.0.113.9", ["10.0.0.1"], "203.0.113.9"),  # "I am a proxy"
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),  # the client wrote 1.1.1.1
        ("10.0.0.1", ["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1", "10.0.0.9", "203.0.113.9,10.0.0.7"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 10.0.0.7, 192.0.2.1"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
        ("10.0.0.1", ["203.0.113.9, 192.0.2.2"], "192.0.2.2"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, "], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9, garbage, 10.0.0.7"], "10.0.0.7"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::9]:4711"], "2001:db8::9"),
        ("10.0.0.1", ["2001:db8::9"], "2001:db8::9"),
        ("2001:db8:1::1", ["2001:DB8:0:0::9"], "2001:db8::9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:203.0.113.9", ["1.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 203.0.113.009"], "10.0.0.1"),
        ("10.0.0.1", ["1\u0661.0.0.1"], "10.0.0.1"),
        ("", ["1.1.1.1"], ""),
        ("/run/a.sock", ["1.1.1.1"], "/run/a.sock"),
    ],
)
def test_the_right_most_hop_that_is_no_trusted_proxy(peer: str, forwarded_for: list[str], expected: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == expected


@given(ADDRESSES, st.lists(st.text()))
def test_without_trusted_proxies_no_field_changes_anything(peer: str, fields: list[str]) -> None:
    assert client_address(peer, fields, ()) == client_address(peer, [], ())


@given(STRANGERS, st.text(alphabet="0123456789abcdef.:[], unknow\t"))
def test_nothing_that_a_client_writes_changes_its_address(client: str, written: str) -> None:
    alone = client_address(client, [], ())
    assert client_address("10.0.0.1", [written, client], PROXIES) == alone
    assert client_address("10.0.0.1", [f"{written},{client}, 10.0.0.7"], PROXIES) == alone
    assert client_address(client, [written], PROXIES) == alone


@given(ADDRESSES, st.lists(st.text()))
def test_the_answer_is_an_address_whatever_comes(peer: str, fields: list[str]) -> None:
    ip_address(client_address(peer, fields, PROXIES))
