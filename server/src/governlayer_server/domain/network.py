"""Addresses: what never leaves this machine, and whose request it is when proxies stand in between."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from governlayer_server.domain.errors import ConfigurationError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
HostAndPort = tuple[str, int]


def is_loopback(host: str) -> bool:
    """
    Return whether *host* is this machine and nothing else: ``localhost``, or an address of a loopback network.

    >>> [is_loopback(host) for host in ("localhost", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "db.example")]
    [True, True, True, True, False, False]
    """
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def check_exposure(host: str, *, tls: bool, behind_tls_proxy: bool) -> None:
    """
    Refuse to serve plain HTTP where others could read it (API contract §8).

    Raises:
        ConfigurationError: *host* is not loopback, and nothing encrypts. The text names the three ways out.
    """
    if not (is_loopback(host) or tls or behind_tls_proxy):
        raise ConfigurationError(
            f"plain HTTP is served on loopback only, and {host} is not: give --tls-certificate and --tls-key "
            "(`governlayer tls init` makes them), or --behind-tls-proxy where a proxy does TLS, or --host 127.0.0.1"
        )


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """
    Return the networks that *texts* name, each an address or CIDR.

    Raises:
        ConfigurationError: one is neither.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is not an IP address or network ({error})") from None
    return tuple(networks)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """
    Return the address that the request comes from: of all hops, the right-most that is no trusted proxy.

    A client may write what it likes into X-Forwarded-For; a proxy adds to the right of it the address that it sees.
    So the hops are read from the right, and only as far as trusted proxies vouch for them. An entry that is no address
    ends the reading: the proxy that passed it on is the answer.

    Args:
        peer: the address at the other end of the socket.
        forwarded_for: the values of the X-Forwarded-For fields, in their order.
        trusted: the operator's own proxies; empty: no field is believed.

    Returns:
        An address in its shortest form, IPv4 also where it came mapped into IPv6; *peer* itself when it is none.

    >>> trusted = parse_networks(["10.0.0.0/8"])
    >>> client_address("10.0.0.1", ["1.1.1.1, 203.0.113.9", "10.0.0.7"], trusted)
    '203.0.113.9'
    >>> client_address("203.0.113.9", ["1.1.1.1"], trusted)
    '203.0.113.9'
    """
    nearest = _address(peer)
    if nearest is None:
        return peer
    hops = [hop for field in forwarded_for for hop in field.split(",")]
    while hops and _is_in(nearest, trusted):
        further = _address(without_port(hops.pop().strip()))
        if further is None:
            break
        nearest = further
    return str(nearest)


def address_group(address: str | None) -> str:
    """
    Return what counts as one client: IPv4 as it is, also where it came mapped into IPv6, and IPv6 by /64.

    A /64 is what one customer of a provider gets at least. All that is no address (None, or a Unix socket without a
    proxy that names the client) is one group, ``unknown``.

    >>> [address_group(one) for one in ("2001:db8:1:2:3:4:5:6", "192.0.2.7", "::ffff:192.0.2.7", None)]
    ['2001:db8:1:2::/64', '192.0.2.7', '192.0.2.7', 'unknown']
    """
    parsed = _address((address or "").partition("%")[0])
    if parsed is None:
        return "unknown"
    return str(ip_network((parsed.packed, 64), strict=False)) if isinstance(parsed, IPv6Address) else str(parsed)


def is_within(address: str | None, networks: Iterable[str]) -> bool:
    """Return whether *address* lies in one of *networks*; what is no address lies in none."""
    parsed = None if address is None else _address(address)
    return parsed is not None and any(parsed in ip_network(network) for network in networks)


def without_port(place: str) -> str:
    """
    Return the host of a place with or without a port; IPv6 has brackets where there is a port.

    >>> [without_port(place) for place in ("1.2.3.4:80", "db.example", "[2001:db8::1]:80", "2001:db8::1")]
    ['1.2.3.4', 'db.example', '2001:db8::1', '2001:db8::1']
    """
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.partition(":")[0] if place.count(":") == 1 else place


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
