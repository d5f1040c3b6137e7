"""Manage organizations: the operator's acts, each on the organization's ledger and on the system ledger."""

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import Purpose
from governlayer_server.domain.errors import Conflict
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization, SettingsChange
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.change_organization import changed_settings, require_floor
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.record_event import event

FOUNDING_US = 7 * DAY_US


class ManageOrganizations(Struct, frozen=True, kw_only=True):
    """Acts of the operator. What is so already is not done again, and not recorded."""

    accounts: AccountStore
    one_time: OneTimeTokens
    clock: Clock
    entropy: Entropy

    async def set_plan(self, organization_id: UUID, plan: Plan) -> Organization:
        """
        Return the organization, which is on *plan* now; its limits hold at once.

        Raises:
            NotFound: there is no such organization.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            organization = await tenant.organization(lock=True)
            if organization.plan is plan:
                return organization
            organization = replace(organization, plan=plan)
            await tenant.save_organization(organization)
            await self._record(tenant, organization, {"event": "plan_changed", "plan": plan.value})
        return organization

    async def change_settings(self, organization_id: UUID, change: SettingsChange) -> Organization:
        """
        Return the organization with the new settings, which hold at once.

        Raises:
            NotFound: there is no such organization.
            Conflict: it was erased.
            InvalidRequest: payloads would be kept for less than 183 days without a reason on record.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            before = await tenant.organization(lock=True)
            after = replace(before, settings=change.applied_to(before.settings))
            require_floor(after.settings)
            if after == before:
                return before
            if before.erased_us is not None:
                raise Conflict("the organization was erased: nothing of it is kept any more")
            await tenant.save_organization(after)
            body = {"event": "settings_changed", "settings": changed_settings(before, after)}
            await self._record(tenant, after, body)
        return after

    async def close(self, organization_id: UUID) -> Organization:
        """
        Return the organization, closed: no key and no session lets anybody in any more, and all sessions are over.

        Raises:
            NotFound: there is no such organization.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            organization = await tenant.organization(lock=True)
            if organization.closed_us is not None:
                return organization
            organization = replace(organization, closed_us=self.clock.now_us())
            await tenant.save_organization(organization)
            for user in await tenant.users.all():
                await tenant.sessions.end_all(user.id, self.clock.now_us())
            await self._record(tenant, organization, {"event": "closed"})
        return organization

    async def reopen(self, organization_id: UUID) -> Organization:
        """
        Return the organization, open again: keys work as before, users sign in anew.

        Raises:
            NotFound: there is no such organization.
            Conflict: it was erased. It stays closed.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            organization = await tenant.organization(lock=True)
            if organization.closed_us is None:
                return organization
            if organization.erased_us is not None:
                raise Conflict("the organization was erased: it has no keys and no members to let in any more")
            organization = replace(organization, closed_us=None)
            await tenant.save_organization(organization)
            await self._record(tenant, organization, {"event": "reopened"})
        return organization

    async def invite(self, plan: Plan) -> str:
        """Return a token that founds an organization on *plan* within 7 days; it is shown this once."""
        made = self.one_time.make(None, Purpose.FOUND, None, FOUNDING_US, plan)
        async with self.accounts.tenant(None) as deployment:
            await deployment.tokens.add(made.stored)
            body = {"event": "founding_invited", "plan": plan.value}
            await deployment.record(
                event(self.clock, self.entropy, SYSTEM_LEDGER, SYSTEM, "organization.changed", body)
            )
        return made.text

    async def _record(self, tenant: Tenant, organization: Organization, body: Mapping[str, object]) -> None:
        body = {"organization_id": str(organization.id), **body}
        for ledger_id in (str(organization.id), SYSTEM_LEDGER):
            await tenant.record(event(self.clock, self.entropy, ledger_id, SYSTEM, "organization.changed", body))
