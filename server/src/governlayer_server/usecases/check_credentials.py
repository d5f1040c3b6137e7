"""
Check credentials: e-mail address, password and second factor, so that every refusal looks the same and takes as long.

An account that does not exist, has no password, is disabled, was altered, or belongs to a closed organization costs
the same queries in a tenant's transaction, the same counters, one check of a seal and one of a password, like a wrong
password: where there is no row, one of nobody's stands in. The second factor is looked at
before it is known whether the password is right, and counts only after.
"""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import Role
from governlayer_server.domain.account import User, UserStatus
from governlayer_server.domain.errors import NotAuthenticated, NotFound, Overloaded
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.password import MAX_CHARACTERS, MIN_CHARACTERS
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.sign_in_throttle import FAMILIAR_S, familiar_place, sign_in_buckets
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock, PasswordHasher, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.count_sign_in_failures import CountSignInFailures
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.usecases.seal_rows import is_genuine
from governlayer_server.usecases.second_factor import NONE, SecondFactor
from governlayer_server.usecases.throttle import Spent, Throttle

NOBODY = UUID(int=0)
_NOBODYS = Organization(id=NOBODY, name="", plan=Plan.FREE, created_us=0)
# As long as a user's row, so that the check of its seal takes as long.
_STAND_IN = User(
    id=NOBODY,
    organization_id=NOBODY,
    role=Role.VIEWER,
    email_sealed=bytes(80),
    email_index=bytes(32),
    password_hash=bytes(106),
    created_us=0,
    seal=bytes(32),
)


class Checked(Struct, frozen=True, kw_only=True):
    """A user who showed the right password, and what the attempt has spent."""

    user: User
    password_hash: str
    spent: Spent

    def __repr__(self) -> str:
        """No hash."""
        return f"Checked({self.user.id})"


class _Found(Struct, frozen=True, kw_only=True):
    """What the store says of an account; ``standing`` is whether it may sign in at all."""

    user: User | None
    standing: bool
    familiar: bool


class CheckCredentials(Struct, frozen=True, kw_only=True):
    """Checks a password and a code; a failure is counted, a success is not."""

    accounts: AccountStore
    vault: Vault
    passwords: PasswordHasher
    second_factor: SecondFactor
    throttle: Throttle
    failures: CountSignInFailures
    clock: Clock

    async def __call__(
        self, accounts: Sequence[bytes], password: str, code: str | None, address: str, *, with_code: bool = True
    ) -> Checked:
        """
        Return the user who has shown *password* and *code*; ``confirm`` spends the code.

        Args:
            accounts: blind indexes by which the e-mail address may be stored, as ``email_indexes`` returns them.
            password: as received; one outside 12 to 128 characters is wrong.
            code: six digits or a recovery code, for a user with a second factor.
            address: the client's.
            with_code: whether the second factor is asked for.

        Raises:
            TooManyAttempts: too many failed lately. No password was checked.
            NotAuthenticated: anything else is wrong; it never says what.
            Overloaded: too many are waiting. No password was checked.
        """
        organization_id = await self.accounts.organization_of_user(*accounts)
        found = await self._look_up(organization_id or NOBODY, accounts, address)
        spent = await self.throttle.spend(sign_in_buckets(accounts[0], address, familiar=found.familiar))
        user = found.user if found.standing else None
        stored = None if user is None else await open_hash(self.vault, user)
        try:
            right = await self.passwords.verify(password, _comparable(stored, password))
        except Overloaded:
            await self.throttle.give_back(spent)
            raise
        if user is not None and with_code:
            right = await self.second_factor.spend(user, code) is not None and right
        if user is None or stored is None or not right:
            self.failures.note(organization_id, None if found.user is None else found.user.id)
            raise NotAuthenticated
        return Checked(user=user, password_hash=stored, spent=spent)

    async def confirm(
        self, tenant: Tenant, checked: Checked, code: str | None, *, with_code: bool = True
    ) -> tuple[User, str]:
        """
        Return the user, locked in the transaction, with the code spent, and what the code was.

        Raises:
            NotAuthenticated: user or code have changed or been used since they were checked. Save nothing.
        """
        try:
            user, organization = await tenant.users.one(checked.user.id, lock=True), await tenant.organization()
        except NotFound:
            raise NotAuthenticated from None
        # Encrypted anew it is still the same.
        unchanged = await open_hash(self.vault, user) == checked.password_hash
        if not unchanged or not may_sign_in(self.vault, user, organization):
            raise NotAuthenticated
        accepted = await self.second_factor.spend(user, code) if with_code else (user, NONE)
        if accepted is None:
            raise NotAuthenticated
        return accepted

    async def succeeded(self, checked: Checked) -> None:
        """Give back what the attempt would have cost as a failure."""
        await self.throttle.give_back(checked.spent)

    async def _look_up(self, organization_id: UUID, accounts: Sequence[bytes], address: str) -> _Found:
        since_us = self.clock.now_us() - FAMILIAR_S * SECOND_US
        async with self.accounts.tenant(organization_id) as tenant:
            user = await tenant.users.by_email(*accounts)
            who = NOBODY if user is None else user.id
            places = address_fingerprints(self.vault, accounts, address)
            seen = [await tenant.users.is_familiar(who, place, since_us) for place in places]
            try:
                organization = await tenant.organization()
            except NotFound:
                organization = _NOBODYS
        standing = may_sign_in(self.vault, user or _STAND_IN, organization) and user is not None
        return _Found(user=user, standing=standing, familiar=any(seen))


def may_sign_in(vault: Vault, user: User, organization: Organization) -> bool:
    """Return whether the account may sign in at all: active, as the appliance wrote it, its organization not closed."""
    return user.status is UserStatus.ACTIVE and organization.closed_us is None and is_genuine(vault, user)


def address_fingerprints(vault: Vault, accounts: Sequence[bytes], address: str) -> Sequence[bytes]:
    """Return what may be stored of an address that an account has signed in from; what is stored now comes first."""
    places = [familiar_place(account, address).encode() for account in accounts]
    return [one for place in places for one in vault.fingerprints("familiar-address", place)]


def _comparable(stored: str | None, password: str) -> str | None:
    """Return the hash to check *password* against: None, nobody's, where it cannot be right."""
    return stored if MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS else None
