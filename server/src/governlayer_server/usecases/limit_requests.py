"""
Limit requests: what a principal's plan and key, or a client address, may spend in 60 seconds (API contract §3).

Acts that take rights away or give an account back spend from the user's own small limit: whoever uses up the
organization's (with a stolen key, say) must not thereby keep its people from revoking that key.
"""

from msgspec import Struct

from governlayer_server.domain.access import Principal
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.network import address_group
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.quota import Bucket, Mode, Verdict
from governlayer_server.ports import QuotaStore

USER_LIMIT = 30
"""The least that a user may spend per minute beside the organization: as much as its plan, but not less than this."""


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

    async def principal(self, principal: Principal, *, own: bool = False) -> Verdict:
        """
        Return whether *principal* may make this request.

        Args:
            principal: a key spends from its own limit and the organization's, a user from the organization's alone.
            own: spend from the limit of the key, or of the user, alone: the organization pays nothing.
        """
        owner = str(principal.organization_id)
        return await self.organizations.spend(owner, self._buckets(principal, own), principal.organization_created_us)

    def _buckets(self, principal: Principal, own: bool) -> list[Bucket]:
        limit = self.enterprise_limit if principal.plan is Plan.ENTERPRISE else principal.plan.requests_per_minute
        of_all = [] if own else [Bucket("org", limit)]
        if principal.kind is ActorKind.API_KEY:
            of_key = limit if principal.rate_limit is None else min(limit, principal.rate_limit)
            return [Bucket("key", of_key, principal.id), *of_all]
        return of_all or [Bucket("user", max(limit, USER_LIMIT), principal.id)]

    async def address(self, host: str | None) -> Verdict:
        """Return whether *host*, the client's address, may make another request without a valid credential."""
        return await self.addresses.spend(f"address:{address_group(host)}", [Bucket("address", self.address_limit)])
