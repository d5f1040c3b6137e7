"""What an API key may be made with, and where it stands afterwards (API contract §2)."""

import re
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from ipaddress import IPv6Network, ip_network

from msgspec import Struct

from governlayer_server.domain.access import SCOPE_ROLES, Role, Scope
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.errors import Fault, Forbidden, InvalidRequest
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import DAY_US

MAX_NAME_CHARACTERS = 100
MAX_LIFE_US = 3_653 * DAY_US  # ten years
MAX_ALLOWED_IPS = 64
MAX_GRACE_SECONDS = 2_592_000  # 30 days
# Python's parser takes netmasks and zones too; an allowed address is one thing, written one way.
_NETWORK = re.compile(r"[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?")
_MAPPED = IPv6Network("::ffff:0:0/96")


class KeyStatus(StrEnum):
    """Where an API key stands."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class KeyTerms(Struct, frozen=True, kw_only=True):
    """
    What a new API key is to be.

    ``rate_limit`` is requests per minute; ``allowed_ips`` are addresses or networks, none meaning everywhere.
    """

    name: str
    scopes: Collection[Scope]
    expires_us: int | None = None
    rate_limit: int | None = None
    allowed_ips: Sequence[str] = ()


def check_terms(terms: KeyTerms, now_us: int, plan: Plan) -> tuple[str, ...]:
    """
    Return the allowed networks of *terms* in their canonical form, each once, if all of *terms* can be had.

    Args:
        terms: what is asked for.
        now_us: microseconds since the Unix epoch.
        plan: the organization's; a key's own limit is at most the plan's.

    Raises:
        InvalidRequest: with one fault for each member that breaks its limits.
    """
    networks: list[str] = []
    faults = list(_faults(terms, now_us, plan))
    for index, text in enumerate(terms.allowed_ips[: MAX_ALLOWED_IPS + 1]):
        try:
            networks.append(canonical_network(text))
        except ValueError as error:
            faults.append(Fault(f"/allowed_ips/{index}", str(error)))
    if faults:
        raise InvalidRequest("; ".join(f"{fault.pointer[1:]}: {fault.detail}" for fault in faults), faults)
    return tuple(dict.fromkeys(networks))


def canonical_network(text: str) -> str:
    """
    Return the network that *text* names, an address being a network of its own; IPv4 in IPv6 becomes IPv4.

    Raises:
        ValueError: it names none, or an address inside a network instead of the network; the text says which.

    >>> canonical_network("::FFFF:10.1.0.0/112"), canonical_network("2001:DB8::1")
    ('10.1.0.0/16', '2001:db8::1/128')
    """
    if not _NETWORK.fullmatch(text):
        raise ValueError("an IPv4 or IPv6 address, or a network such as 10.1.0.0/16")
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address, or a network such as 10.1.0.0/16") from None
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(f"bits are set after the prefix: the network is {network}") from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        # The front door knows such a client by its IPv4 address.
        address = network.network_address.ipv4_mapped
        return f"{address}/{network.prefixlen - _MAPPED.prefixlen}"
    return str(network)


def check_grace(grace_seconds: int) -> None:
    """
    Return if *grace_seconds* can be had.

    Raises:
        InvalidRequest: it is not 0 to 2,592,000.
    """
    if not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
        fault = Fault("/grace_seconds", f"0 to {MAX_GRACE_SECONDS}")
        raise InvalidRequest(f"grace_seconds: {fault.detail}", [fault])


def require_held(role: Role, scopes: Collection[Scope]) -> None:
    """
    Return if users with *role* hold all of *scopes* themselves (API contract §2).

    Raises:
        Forbidden: they do not; it names the scope.
    """
    for scope in sorted(scopes):
        if role not in SCOPE_ROLES[scope]:
            raise Forbidden(f"your role does not hold the scope `{scope}`, so no key with it can be yours to make")


def status_of(key: ApiKey, now_us: int) -> KeyStatus:
    """Return where *key* stands at *now_us*."""
    if key.revoked_us is not None:
        return KeyStatus.REVOKED
    if key.expires_us is not None and key.expires_us <= now_us:
        return KeyStatus.EXPIRED
    return KeyStatus.ACTIVE


def _faults(terms: KeyTerms, now_us: int, plan: Plan) -> Iterator[Fault]:
    if not len(terms.name.strip()) >= 1 or len(terms.name) > MAX_NAME_CHARACTERS or not terms.name.isprintable():
        yield Fault("/name", f"1 to {MAX_NAME_CHARACTERS} printable characters")
    if not terms.scopes or len(set(terms.scopes)) != len(terms.scopes):
        yield Fault("/scopes", f"at least one of {', '.join(Scope)}, each once")
    if terms.expires_us is not None and not 0 < terms.expires_us - now_us <= MAX_LIFE_US:
        yield Fault("/expires_at", "in the future, and at most ten years away")
    if terms.rate_limit is not None and not 1 <= terms.rate_limit <= plan.requests_per_minute:
        yield Fault("/rate_limit", f"1 to the plan's {plan.requests_per_minute} requests per minute")
    if len(terms.allowed_ips) > MAX_ALLOWED_IPS:
        yield Fault("/allowed_ips", f"at most {MAX_ALLOWED_IPS}")
