"""Create an organization: itself, its owner, its ledger and their records in both ledgers, all at once."""

from msgspec import Struct

from governlayer_server.domain.access import Role
from governlayer_server.domain.account import User
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.ports import Append, Clock, Entropy, PasswordHasher, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.email_addresses import email_faults, email_index, seal_email
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.seal_rows import sealed

SYSTEM_LEDGER = "system"
MAX_NAME_CHARACTERS = 100
MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 128


def origin_of(deployment: str, ledger_id: str) -> str:
    """Return the origin of a ledger of *deployment* (ledger-v1 §3)."""
    return f"{deployment}/ledgers/{ledger_id}"


class CreateOrganization(Struct, frozen=True, kw_only=True):
    """Creates organizations; the operator's act."""

    accounts: AccountStore
    vault: Vault
    passwords: PasswordHasher
    clock: Clock
    entropy: Entropy
    deployment: str

    async def __call__(self, name: str, plan: Plan, owner_email: str, owner_password: str | None) -> Organization:
        """
        Return the new organization.

        Args:
            name: 1 to 100 characters, unique in the deployment.
            plan: what it has bought.
            owner_email: at most 254 characters; stored encrypted.
            owner_password: 12 to 128 characters of any script, or None: the owner cannot sign in until one is set.

        Raises:
            InvalidRequest: a value breaks its limits or is taken. Nothing was stored.
            LedgerUnavailable: the database is away.
        """
        _check(name, owner_email, owner_password)
        if any(one.name == name for one in await self.accounts.organizations()):
            fault = Fault("/name", "an organization with this name exists")
            raise InvalidRequest(f"name: {fault.detail}", [fault])
        now_us = self.clock.now_us()
        organization = Organization(id=new_id(self.clock, self.entropy), name=name, plan=plan, created_us=now_us)
        owner = await self._owner(organization, owner_email, owner_password)
        async with self.accounts.tenant(organization.id) as tenant:
            await self._store(tenant, organization, owner)
        return organization

    async def _store(self, tenant: Tenant, organization: Organization, owner: User) -> None:
        ledger_id = str(organization.id)
        await tenant.add_organization(organization, origin_of(self.deployment, ledger_id))
        await tenant.users.add(owner)
        created = {"event": "created", "organization_id": ledger_id, "plan": organization.plan.value}
        await tenant.record(self._event(ledger_id, "organization.changed", created))
        await tenant.record(
            self._event(ledger_id, "user.created", {"role": owner.role.value, "user_id": str(owner.id)})
        )
        await tenant.record(self._event(SYSTEM_LEDGER, "organization.changed", created))

    async def _owner(self, organization: Organization, email: str, password: str | None) -> User:
        user_id = new_id(self.clock, self.entropy)
        owner = User(
            id=user_id,
            organization_id=organization.id,
            role=Role.OWNER,
            email_sealed=await seal_email(self.vault, organization.id, user_id, email),
            email_index=email_index(self.vault, email),
            password_hash=None if password is None else await self.passwords.hash(password),
            created_us=organization.created_us,
        )
        return sealed(self.vault, owner)

    def _event(self, ledger_id: str, record_type: str, body: dict[str, str]) -> Append:
        return event(self.clock, self.entropy, ledger_id, SYSTEM, record_type, body)


def _check(name: str, email: str, password: str | None) -> None:
    faults = []
    if not 1 <= len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
        faults.append(Fault("/name", f"1 to {MAX_NAME_CHARACTERS} printable characters"))
    faults += email_faults(email, "/owner_email")
    if password is not None and not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        limit = f"{MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters"
        faults.append(Fault("/owner_password", limit))
    if faults:
        raise InvalidRequest("; ".join(f"{fault.pointer[1:]}: {fault.detail}" for fault in faults), faults)
