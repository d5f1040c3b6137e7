"""Change an organization: its name and settings, by its own managers; on its ledger."""

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import Principal
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.organization import Organization, OrganizationSettings, SettingsChange
from governlayer_server.domain.retention import floor_faults
from governlayer_server.ports import Clock, Entropy, Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.create_organization import name_faults
from governlayer_server.usecases.members import lock_and_find_actor, require_manager
from governlayer_server.usecases.record_event import event


class ChangeOrganization(Struct, frozen=True, kw_only=True):
    """Reads and changes organizations."""

    accounts: AccountStore
    vault: Vault
    clock: Clock
    entropy: Entropy

    async def read(self, principal: Principal) -> Organization:
        """Return the principal's organization."""
        async with self.accounts.tenant(principal.organization_id) as tenant:
            return await tenant.organization()

    async def __call__(self, principal: Principal, name: str | None, change: SettingsChange) -> Organization:
        """
        Return the changed organization; what is not named stays. The settings hold from the next request on.

        The record names what changed with its new value, but for the name of the organization: names are not for
        ever. What is as it was already is not recorded.

        Raises:
            InvalidRequest: the name breaks its limits, or payloads would be kept for less than 183 days without a
                reason on record. Nothing was changed.
            Forbidden: the principal does not manage the organization any more.
        """
        if name is not None and (faults := name_faults(name, "/name")):
            raise InvalidRequest(f"name: {faults[0].detail}", faults)
        async with self.accounts.tenant(principal.organization_id) as tenant:
            require_manager(await lock_and_find_actor(tenant, self.vault, principal))
            before = await tenant.organization()
            after = replace(before, name=name or before.name, settings=change.applied_to(before.settings))
            require_floor(after.settings)
            if after == before:
                return before
            await tenant.save_organization(after)
            body: dict[str, object] = {"event": "settings_changed", "settings": changed_settings(before, after)}
            if after.name != before.name:
                body["name_changed"] = True
            ledger_id = str(principal.organization_id)
            await tenant.record(
                event(self.clock, self.entropy, ledger_id, principal.actor, "organization.changed", body)
            )
        return after


def require_floor(settings: OrganizationSettings) -> None:
    """
    Return if payloads are kept for as long as they must be.

    Raises:
        InvalidRequest: for less than 183 days, without a reason on record.
    """
    if faults := floor_faults(settings, "/settings"):
        raise InvalidRequest(f"retention: {faults[0].detail}", faults)


def changed_settings(before: Organization, after: Organization) -> dict[str, object]:
    """Return the new values of the settings that differ."""
    old, new = (msgspec.to_builtins(one.settings) for one in (before, after))
    return {name: value for name, value in new.items() if old[name] != value}
