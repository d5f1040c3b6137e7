"""What an API key may be made with."""

from ipaddress import ip_network
from typing import Any

import pytest
from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.errors import Forbidden, InvalidRequest
from governlayer_server.domain.key_terms import (
    MAX_GRACE_SECONDS,
    MAX_LIFE_US,
    KeyTerms,
    canonical_network,
    check_grace,
    check_terms,
    require_held,
)
from governlayer_server.domain.plan import Plan
from hypothesis import given
from hypothesis import strategies as st

NOW_US = 1_795_456_800_000_000


def terms(**members: Any) -> KeyTerms:
    return KeyTerms(**{"name": "CI", "scopes": [Scope.GOVERN], **members})


@pytest.mark.parametrize(
    "members",
    [
        {"name": "x" * 100},
        {"name": "Überwachung 監視"},
        {"scopes": list(Scope)},
        {"expires_us": NOW_US + 1},
        {"expires_us": NOW_US + MAX_LIFE_US},
        {"rate_limit": 1},
        {"rate_limit": 500},
        {"allowed_ips": ["10.0.0.1"] * 64},
    ],
)
def test_what_is_within_the_limits_is_admitted(members: dict[str, Any]) -> None:
    check_terms(terms(**members), NOW_US, Plan.PRO)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": " " * 200 + "x"}, "/name"),
        ({"name": "a\0"}, "/name"),
        ({"name": "a\u202eb"}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": [Scope.SCAN, Scope.SCAN]}, "/scopes"),
        ({"expires_us": NOW_US}, "/expires_at"),
        ({"expires_us": 0}, "/expires_at"),
        ({"expires_us": NOW_US + MAX_LIFE_US + 1}, "/expires_at"),
        ({"rate_limit": 0}, "/rate_limit"),
        ({"rate_limit": -1}, "/rate_limit"),
        ({"rate_limit": 501}, "/rate_limit"),
        ({"allowed_ips": ["10.0.0.1"] * 65}, "/allowed_ips"),
        ({"allowed_ips": ["10.0.0.1", "nowhere"]}, "/allowed_ips/1"),
    ],
)
def test_what_is_not_is_refused_with_its_place(members: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_terms(terms(**members), NOW_US, Plan.PRO)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_terms(terms(name="", scopes=[], rate_limit=0, allowed_ips=["x"]), NOW_US, Plan.FREE)
    assert [fault.pointer for fault in refused.value.faults] == ["/name", "/scopes", "/rate_limit", "/allowed_ips/0"]


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8:0:0::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:c000:200/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_a_network_has_one_form(text: str, network: str) -> None:
    assert canonical_network(text) == network
    assert canonical_network(network) == network


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "10.0.0.1 ", " 10.0.0.1", "10.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0.0/255.0.0.0", "10.0.0.0/0.255.255.255", "10.0.0.0/", "/8", "fe80::1%eth0", "::1/129", "localhost",
        "1０.0.0.1", "10.0.0.1\n", "167772161", "0x0a000001", "10.0.0.0/8/8", "[::1]", "10.0.0.1:80", "*",
    ],
)  # fmt: skip
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an IPv4 or IPv6 address"):
        canonical_network(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("10.0.0.1/8", "10.0.0.0/8"), ("2001:db8::1/32", "2001:db8::/32"), ("1.1.1.1/0", "0.0.0.0/0")]
)
def test_an_address_inside_a_network_is_not_the_network(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"the network is {meant}"):
        canonical_network(text)


@given(st.ip_addresses(), st.integers(0, 128))
def test_every_network_keeps_its_addresses(address: Any, bits: int) -> None:
    network = ip_network((address, min(bits, address.max_prefixlen)), strict=False)
    found = ip_network(canonical_network(str(network)))
    if found.version == network.version:
        assert found == network
    else:
        assert network.version == 6
        assert found.num_addresses == network.num_addresses


@pytest.mark.parametrize("seconds", [0, 1, MAX_GRACE_SECONDS])
def test_a_grace_is_up_to_thirty_days(seconds: int) -> None:
    check_grace(seconds)


@pytest.mark.parametrize("seconds", [-1, MAX_GRACE_SECONDS + 1])
def test_another_grace_is_refused(seconds: int) -> None:
    with pytest.raises(InvalidRequest):
        check_grace(seconds)


@pytest.mark.parametrize(
    ("role", "scopes", "missing"),
    [
        (Role.OWNER, set(Scope), None),
        (Role.ADMIN, set(Scope), None),
        (Role.DEVELOPER, {Scope.GOVERN, Scope.SCAN, Scope.RISK}, None),
        (Role.DEVELOPER, {Scope.GOVERN, Scope.AUDIT}, "audit"),
        (Role.AUDITOR, {Scope.AUDIT}, None),
        (Role.AUDITOR, {Scope.GOVERN}, "govern"),
        (Role.APPROVER, {Scope.AUDIT}, "audit"),
        (Role.VIEWER, {Scope.SCAN}, "scan"),
    ],
)
def test_no_key_may_do_what_its_maker_may_not(role: Role, scopes: set[Scope], missing: str | None) -> None:
    if missing is None:
        require_held(role, scopes)
        return
    with pytest.raises(Forbidden, match=f"`{missing}`"):
        require_held(role, scopes)
