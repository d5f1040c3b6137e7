"""Register: found an organization, or take up an invitation to one (API contract §2)."""

from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import OneTimeToken, Purpose, User, UserStatus
from governlayer_server.domain.errors import Fault, InvalidRequest, NotAuthenticated, NotFound, RegistrationClosed
from governlayer_server.domain.organization import Joining, Organization
from governlayer_server.domain.password import about_user, check_new_password
from governlayer_server.domain.password_throttle import register_buckets
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.registration import Registration
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.create_organization import FoundOrganization, Places
from governlayer_server.usecases.email_addresses import email_indexes, require_free
from governlayer_server.usecases.one_time_tokens import Fingerprints, OneTimeTokens
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import is_genuine, sealed
from governlayer_server.usecases.throttle import Throttle
from governlayer_server.usecases.user_event import UserEvents

_PLACES = Places(name="/organization", email="/email", password="/password")  # noqa: S106  # nosec B106  # a pointer


class NewAccount(Struct, frozen=True, kw_only=True):
    """What somebody registers with, and from where. ``organization`` is the name of one to be founded."""

    address: str
    email: str
    password: str
    organization: str | None = None
    invite: str | None = None

    def __repr__(self) -> str:
        """No secret and no address."""
        return "NewAccount(…)"


class Registered(Struct, frozen=True, kw_only=True):
    """The organization, and its new user."""

    organization: Organization
    user: User

    def __repr__(self) -> str:
        """Ids only."""
        return f"Registered({self.organization.id}, {self.user.id})"


class Register(Struct, frozen=True, kw_only=True):
    """
    Registers people. Whatever is wrong with an invitation is told with the same words.

    Each try spends from counters of the client's address and of the invitation. A token is looked at before the
    password is hashed, so that nobody without one keeps a core busy, and is taken in the transaction that stores what
    it was good for: a request that fails leaves it as it was.
    """

    accounts: AccountStore
    found: FoundOrganization
    one_time: OneTimeTokens
    registration: Registration
    throttle: Throttle
    events: UserEvents

    async def __call__(self, wanted: NewAccount) -> Registered:
        """
        Return the organization with its new owner, or its new member.

        Raises:
            RegistrationClosed: the deployment, or the organization, takes nobody this way.
            NotAuthenticated: the invitation is unknown, used, expired, for another address or for something else.
            InvalidRequest: a value breaks its limits, or the e-mail address belongs to a user already.
            TooManyAttempts: too many tries from this address, or with this invitation, lately. Nothing was hashed.
            Overloaded: too many passwords are waiting to be hashed.
            LedgerUnavailable: the database is away. In each case nothing was stored.
        """
        if wanted.invite is None:
            if self.registration is not Registration.OPEN:
                raise RegistrationClosed("this deployment takes new organizations by invitation only")
            await self.throttle.spend(register_buckets(wanted.address, None))
            return await self._found(wanted, None)
        organization_id, fingerprints = self.one_time.read(wanted.invite)
        await self.throttle.spend(register_buckets(wanted.address, fingerprints[0]))
        if organization_id is None:
            return await self._found(wanted, fingerprints)
        return await self._join(wanted, organization_id, fingerprints)

    async def _found(self, wanted: NewAccount, fingerprints: Fingerprints | None) -> Registered:
        plan = Plan.FREE
        if fingerprints is not None:
            token = await self._founding_token(fingerprints)
            plan = token.plan or plan
        if wanted.organization is None:
            fault = Fault("/organization", "the name of the organization to be founded")
            raise InvalidRequest("organization: a name is needed", [fault])
        founding = await self.found.prepare(wanted.organization, plan, wanted.email, wanted.password, _PLACES)
        await require_free(self.accounts, self.found.vault, wanted.email, "/email")
        async with self.accounts.tenant(founding.organization.id) as tenant:
            if fingerprints is not None:
                _present(await self.one_time.take(tenant.deployment_tokens, fingerprints))
            await self.found.store(tenant, founding, founding.founder)
        return Registered(organization=founding.organization, user=founding.owner)

    async def _founding_token(self, fingerprints: Fingerprints) -> OneTimeToken:
        async with self.accounts.tenant(None) as deployment:
            token = _present(await self.one_time.find(deployment.tokens, fingerprints))
        if token.purpose is Purpose.SETUP:
            if await self.accounts.organizations():
                raise NotAuthenticated
        elif token.purpose is not Purpose.FOUND:
            raise NotAuthenticated
        elif self.registration is Registration.CLOSED:
            raise RegistrationClosed("this deployment takes no new organizations")
        return token

    async def _join(self, wanted: NewAccount, organization_id: UUID, fingerprints: Fingerprints) -> Registered:
        async with self.accounts.tenant(organization_id) as tenant:
            organization, _ = await self._invited(tenant, wanted, fingerprints, take=False)
        if wanted.organization is not None:
            fault = Fault("/organization", "not with an invitation to an organization that exists")
            raise InvalidRequest("organization: the invitation names it", [fault])
        about = about_user(wanted.email, organization.name)
        check_new_password(wanted.password, "/password", about=about, guessable=self.found.common.guessable)
        made = await self.found.passwords.hash(wanted.password)
        async with self.accounts.tenant(organization_id) as tenant:
            organization, user = await self._invited(tenant, wanted, fingerprints, take=True)
            password_hash = await seal_hash(self.found.vault, organization_id, user.id, made)
            user = sealed(self.found.vault, replace(user, password_hash=password_hash))
            await tenant.users.save(user)
            await tenant.tokens.drop(user.id)
            await self.events.by_user(tenant, user, "joined")
        return Registered(organization=organization, user=user)

    async def _invited(
        self, tenant: Tenant, wanted: NewAccount, fingerprints: Fingerprints, *, take: bool
    ) -> tuple[Organization, User]:
        """Return the organization and the user that the token invites, if the invitation stands."""
        look = self.one_time.take if take else self.one_time.find
        try:
            # Locked as acts of its managers lock it: an invitation is not taken up while it is withdrawn.
            organization = await tenant.organization(lock=take)
            token = _present(await look(tenant.tokens, fingerprints))
            if token.purpose is not Purpose.JOIN or token.user_id is None:
                raise NotAuthenticated
            user = await tenant.users.one(token.user_id, lock=take)
        except NotFound:
            raise NotAuthenticated from None
        given = email_indexes(self.found.vault, wanted.email)
        theirs = user.email_index in given and is_genuine(self.found.vault, user)
        if not theirs or user.status is not UserStatus.INVITED or organization.closed_us is not None:
            raise NotAuthenticated
        if organization.settings.registration is Joining.CLOSED:
            raise RegistrationClosed("this organization takes no new members")
        return organization, user


def _present(token: OneTimeToken | None) -> OneTimeToken:
    if token is None:
        raise NotAuthenticated
    return token
