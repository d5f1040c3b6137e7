"""
Create an organization: itself, its owner and its ledger at once, then their records in both ledgers.

A crash between the two leaves an organization without its record (docs/limitations.md).
"""

from msgspec import Struct

from governlayer_server.domain.access import Role
from governlayer_server.domain.account import Organization, User
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.plan import Plan
from governlayer_server.ports import AccountStore, Clock, Entropy, LedgerStore, PasswordHasher, Place, Vault
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.record_event import record_event

SYSTEM_LEDGER = "system"
MAX_NAME_CHARACTERS = 100
MAX_EMAIL_CHARACTERS = 254
MIN_PASSWORD_CHARACTERS = 12
MAX_PASSWORD_CHARACTERS = 128


def origin_of(deployment: str, ledger_id: str) -> str:
    """Return the origin of a ledger of *deployment* (ledger-v1 §3)."""
    return f"{deployment}/ledgers/{ledger_id}"


class CreateOrganization(Struct, frozen=True, kw_only=True):
    """Creates organizations; the operator's act."""

    accounts: AccountStore
    ledger: LedgerStore
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
        now_us = self.clock.now_us()
        organization = Organization(id=new_id(self.clock, self.entropy), name=name, plan=plan, created_us=now_us)
        owner = await self._owner(organization, owner_email, owner_password)
        ledger_id = str(organization.id)
        await self.accounts.add_organization(organization, owner, origin_of(self.deployment, ledger_id))
        event = {"event": "created", "organization_id": ledger_id, "plan": plan.value}
        for ledger in (SYSTEM_LEDGER, ledger_id):
            await self._record(ledger, "organization.changed", event)
        await self._record(ledger_id, "user.created", {"role": owner.role.value, "user_id": str(owner.id)})
        return organization

    async def _owner(self, organization: Organization, email: str, password: str | None) -> User:
        user_id = new_id(self.clock, self.entropy)
        place = Place(organization_id=organization.id, table="app_user", column="email_sealed", row=str(user_id))
        return User(
            id=user_id,
            organization_id=organization.id,
            role=Role.OWNER,
            email_sealed=await self.vault.seal(place, email.encode()),
            email_index=self.vault.fingerprint("email", email.casefold().encode()),
            password_hash=None if password is None else await self.passwords.hash(password),
            created_us=organization.created_us,
        )

    async def _record(self, ledger_id: str, record_type: str, body: dict[str, object] | dict[str, str]) -> None:
        await record_event(self.ledger, self.clock, self.entropy, ledger_id, SYSTEM, record_type, dict(body))


def _check(name: str, email: str, password: str | None) -> None:
    faults = []
    if not 1 <= len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
        faults.append(Fault("/name", f"1 to {MAX_NAME_CHARACTERS} printable characters"))
    plain = email.isprintable() and " " not in email
    if not plain or len(email) > MAX_EMAIL_CHARACTERS or email.count("@") != 1 or not all(email.split("@")):
        faults.append(Fault("/owner_email", f"an e-mail address of at most {MAX_EMAIL_CHARACTERS} characters"))
    if password is not None and not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        limit = f"{MIN_PASSWORD_CHARACTERS} to {MAX_PASSWORD_CHARACTERS} characters"
        faults.append(Fault("/owner_password", limit))
    if faults:
        raise InvalidRequest("; ".join(f"{fault.pointer[1:]}: {fault.detail}" for fault in faults), faults)
