"""Limit requests: what a principal's plan and key, or a client address, may spend in 60 seconds (API contract §3)."""

from ipaddress import IPv6Address, ip_address, ip_network

from msgspec import Struct

from governlayer_server.domain.access import Principal
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.quota import Bucket, Mode, Verdict
from governlayer_server.ports import QuotaStore


class LimitRequests(Struct, frozen=True, kw_only=True):
    """
    Spends one request of whoever asks.

    Attributes:
        organizations: counts of organizations and their keys.
        addresses: counts of client addresses.
        address_limit: requests per minute of one address without a valid credential.
        enterprise_limit: requests per minute of the plan enterprise, which the operator may set.
    """

    organizations: QuotaStore
    addresses: QuotaStore
    address_limit: int
    enterprise_limit: int = Plan.ENTERPRISE.requests_per_minute

    @property
    def mode(self) -> Mode:
        """Whether all replicas share the counts of organizations."""
        return self.organizations.mode

    async def principal(self, principal: Principal) -> Verdict:
        """Return whether *principal* may make this request; a user spends from the organization alone."""
        limit = self.enterprise_limit if principal.plan is Plan.ENTERPRISE else principal.plan.requests_per_minute
        buckets = [Bucket("org", limit)]
        if principal.kind is ActorKind.API_KEY:
            own = limit if principal.rate_limit is None else min(limit, principal.rate_limit)
            buckets.insert(0, Bucket("key", own, principal.id))
        owner = str(principal.organization_id)
        return await self.organizations.spend(owner, buckets, principal.organization_created_us)

    async def address(self, host: str | None) -> Verdict:
        """Return whether *host*, the peer of the socket, may make another request without a valid credential."""
        return await self.addresses.spend(f"address:{network_of(host)}", [Bucket("address", self.address_limit)])


def network_of(host: str | None) -> str:
    """
    Return what one client can be told by: an IPv4 address, or the /64 network of an IPv6 address.

    >>> network_of("2001:db8::1:2:3:4"), network_of("192.0.2.7"), network_of("::ffff:192.0.2.7"), network_of(None)
    ('2001:db8::/64', '192.0.2.7', '192.0.2.7', 'unknown')
    """
    try:
        address = ip_address((host or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address.packed, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)
