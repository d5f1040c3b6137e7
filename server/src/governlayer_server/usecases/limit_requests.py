"""Limit requests: what a principal's plan and key, or a client address, may spend in 60 seconds (API contract §3)."""

from msgspec import Struct

from governlayer_server.domain.access import Principal
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.network import address_group
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
        return await self.addresses.spend(f"address:{address_group(host)}", [Bucket("address", self.address_limit)])
