"""Remove stale rows: what of people and their use is kept no longer, organization by organization."""

from msgspec import Struct

from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.stale import stale_at
from governlayer_server.ports import Clock
from governlayer_server.ports.accounts import AccountStore

BATCH = 1_000


class RemoveStale(Struct, frozen=True, kw_only=True):
    """Any number of replicas may do it at once: what one has removed, another does not find."""

    accounts: AccountStore
    clock: Clock
    limits: SessionLimits
    batch: int = BATCH

    async def __call__(self) -> None:
        """
        Remove all that is stale now, of each tenant and of the deployment, in transactions of a bounded size.

        Raises:
            LedgerUnavailable: the database is away; what was removed before stays removed.
        """
        stale = stale_at(self.clock.now_us(), self.limits)
        for tenant_id in (None, *(one.id for one in await self.accounts.organizations())):
            removed = self.batch
            while removed >= self.batch:
                async with self.accounts.tenant(tenant_id) as tenant:
                    removed = await tenant.remove_stale(stale, self.batch)
