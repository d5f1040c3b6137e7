"""Create an organization: itself, its owner, its ledger and their records in both ledgers, all at once."""

from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.domain.access import Role
from governlayer_server.domain.account import Purpose, User
from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.record import SYSTEM, Actor, ActorKind
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.password import about_user, check_new_password
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports import Clock, CommonPasswords, Entropy, PasswordHasher, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.email_addresses import email_faults, email_index, require_free, seal_email
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.seal_rows import sealed

MAX_NAME_CHARACTERS = 100


class Places(Struct, frozen=True, kw_only=True):
    """Where the values stand in the request (RFC 6901), for its errors."""

    name: str = "/name"
    email: str = "/owner_email"
    password: str = "/owner_password"  # noqa: S105  # a JSON pointer


class Founding(Struct, frozen=True, kw_only=True):
    """An organization and its owner, ready to be stored."""

    organization: Organization
    owner: User

    @property
    def founder(self) -> Actor:
        """The owner as the actor of their own founding."""
        return Actor(id=str(self.owner.id), kind=ActorKind.USER)


def origin_of(deployment: str, ledger_id: str) -> str:
    """Return the origin of a ledger of *deployment* (ledger-v1 §3)."""
    return f"{deployment}/ledgers/{ledger_id}"


class FoundOrganization(Struct, frozen=True, kw_only=True):
    """Founds organizations: who may is the caller's to know."""

    vault: Vault
    passwords: PasswordHasher
    common: CommonPasswords
    clock: Clock
    entropy: Entropy
    deployment: str

    async def prepare(self, name: str, plan: Plan, email: str, password: str | None, places: Places) -> Founding:
        """
        Return an organization and its owner. Nothing is stored yet; the password has been hashed, which takes a while.

        Raises:
            InvalidRequest: a value breaks its limits.
            Overloaded: too many passwords are waiting to be hashed.
        """
        faults = [*name_faults(name, places.name), *email_faults(email, places.email)]
        if faults:
            raise InvalidRequest("; ".join(f"{fault.pointer[1:]}: {fault.detail}" for fault in faults), faults)
        if password is not None:
            # Last: it is compared with the other two, so that they have to be short by now.
            about = about_user(email, name)
            check_new_password(password, places.password, about=about, guessable=self.common.guessable)
        organization = Organization(
            id=new_id(self.clock, self.entropy), name=name, plan=plan, created_us=self.clock.now_us()
        )
        return Founding(organization=organization, owner=await self._owner(organization, email, password))

    async def store(self, tenant: Tenant, founding: Founding, actor: Actor) -> None:
        """
        Store *founding* in the transaction of its tenant, with the records of it; there is no set-up from now on.

        Raises:
            InvalidRequest: the e-mail address belongs to a user already; at the end of the transaction at the latest.
        """
        organization, owner = founding.organization, founding.owner
        ledger_id = str(organization.id)
        await tenant.deployment_tokens.drop_all(Purpose.SETUP)
        await tenant.add_organization(organization, origin_of(self.deployment, ledger_id))
        await tenant.users.add(owner)
        created = {"event": "created", "organization_id": ledger_id, "plan": organization.plan.value}
        await tenant.record(self._event(actor, ledger_id, "organization.changed", created))
        user = {"role": owner.role.value, "user_id": str(owner.id)}
        await tenant.record(self._event(actor, ledger_id, "user.created", user))
        await tenant.record(self._event(actor, SYSTEM_LEDGER, "organization.changed", created))

    async def _owner(self, organization: Organization, email: str, password: str | None) -> User:
        user_id = new_id(self.clock, self.entropy)
        made = None if password is None else await self.passwords.hash(password)
        owner = User(
            id=user_id,
            organization_id=organization.id,
            role=Role.OWNER,
            email_sealed=await seal_email(self.vault, organization.id, user_id, email),
            email_index=email_index(self.vault, email),
            password_hash=None if made is None else await seal_hash(self.vault, organization.id, user_id, made),
            created_us=organization.created_us,
        )
        return sealed(self.vault, owner)

    def _event(self, actor: Actor, ledger_id: str, record_type: RecordType, body: dict[str, str]) -> Append:
        return event(self.clock, self.entropy, ledger_id, actor, record_type, body)


class CreateOrganization(Struct, frozen=True, kw_only=True):
    """Creates organizations; the operator's act."""

    accounts: AccountStore
    found: FoundOrganization

    async def __call__(self, name: str, plan: Plan, owner_email: str, owner_password: str | None) -> Organization:
        """
        Return the new organization.

        Args:
            name: 1 to 100 characters, unique among those that exist when it is looked up.
            plan: what it has bought.
            owner_email: at most 254 characters; stored encrypted.
            owner_password: as ``domain.password`` says, or None: the owner cannot sign in until one is set.

        Raises:
            InvalidRequest: a value breaks its limits or is taken. Nothing was stored.
            LedgerUnavailable: the database is away.
        """
        if any(one.name == name for one in await self.accounts.organizations()):
            fault = Fault("/name", "an organization with this name exists")
            raise InvalidRequest(f"name: {fault.detail}", [fault])
        founding = await self.found.prepare(name, plan, owner_email, owner_password, Places())
        await require_free(self.accounts, self.found.vault, owner_email, "/email")
        async with self.accounts.tenant(founding.organization.id) as tenant:
            await self.found.store(tenant, founding, SYSTEM)
        return founding.organization


def name_faults(name: str, pointer: str) -> Sequence[Fault]:
    """Return what is wrong with *name* as an organization's: nothing, or one fault at *pointer*."""
    if name.strip() and len(name) <= MAX_NAME_CHARACTERS and name.isprintable():
        return []
    return [Fault(pointer, f"1 to {MAX_NAME_CHARACTERS} printable characters")]
