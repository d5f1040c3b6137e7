"""Change the password, and show the present one again (step-up): both guess-proof like a sign-in."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import Principal
from governlayer_server.domain.account import Session
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.ports import Clock, PasswordHasher, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.check_credentials import CheckCredentials
from governlayer_server.usecases.email_addresses import email_indexes, open_email
from governlayer_server.usecases.members import acting_user
from governlayer_server.usecases.new_password import NewPassword
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.session_tokens import SessionTokens, is_live
from governlayer_server.usecases.user_event import UserEvents


async def account_of(accounts: AccountStore, vault: Vault, principal: Principal) -> Sequence[bytes]:
    """
    Return the blind indexes by which the address of the user who asks may be stored.

    Raises:
        NotAuthenticated: as ``acting_user``.
    """
    async with accounts.tenant(principal.organization_id) as tenant:
        user = await acting_user(tenant, vault, principal, lock=False)
        return email_indexes(vault, await open_email(vault, user))


async def live_session(
    tenant: Tenant, vault: Vault, principal: Principal, limits: SessionLimits, now_us: int
) -> Session:
    """
    Return the session that the principal uses, locked.

    Raises:
        NotAuthenticated: it has ended meanwhile, or was altered.
    """
    session = await tenant.sessions.one(principal.session_id or UUID(int=0), lock=True)
    if session is None or not is_live(vault, limits, session, now_us):
        raise NotAuthenticated
    return session


class ChangePassword(Struct, frozen=True, kw_only=True):
    """Sets a new password for who shows the present one."""

    accounts: AccountStore
    vault: Vault
    passwords: PasswordHasher
    new_password: NewPassword
    check: CheckCredentials
    events: UserEvents
    clock: Clock
    limits: SessionLimits

    async def __call__(self, principal: Principal, password: str, new_password: str, address: str) -> None:
        """
        Set *new_password*; all other sessions and all one-time tokens of the user end with it.

        Raises:
            TooManyAttempts, NotAuthenticated, Overloaded: as ``CheckCredentials``, of *password*.
            InvalidRequest: *new_password* breaks the rules. Nothing was changed.
        """
        self.new_password.check_alone(new_password, "/new_password")
        account = await account_of(self.accounts, self.vault, principal)
        checked = await self.check(account, password, None, address, with_code=False)
        await self.check.succeeded(checked)
        async with self.accounts.tenant(principal.organization_id) as tenant:
            await self.new_password.check(new_password, "/new_password", checked.user, await tenant.organization())
        made = await self.passwords.hash(new_password)
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user, _ = await self.check.confirm(tenant, checked, None, with_code=False)
            now_us = self.clock.now_us()
            session = await live_session(tenant, self.vault, principal, self.limits, now_us)
            await tenant.users.save(
                sealed(
                    self.vault,
                    replace(user, password_hash=await seal_hash(self.vault, user.organization_id, user.id, made)),
                )
            )
            await tenant.sessions.end_all(user.id, now_us, but=session.id)
            await tenant.tokens.drop(user.id)
            await self.events.by_user(tenant, user, "password_changed", session.id)


class StepUp(Struct, frozen=True, kw_only=True):
    """Notes that a session's user has shown password and code just now (ASVS 5.0 7.5)."""

    accounts: AccountStore
    check: CheckCredentials
    session_tokens: SessionTokens
    events: UserEvents
    clock: Clock
    limits: SessionLimits

    async def __call__(self, principal: Principal, password: str, code: str | None, address: str) -> str:
        """
        Return a new access token of the same session.

        Raises:
            TooManyAttempts, NotAuthenticated, Overloaded: as ``CheckCredentials``.
        """
        account = await account_of(self.accounts, self.check.vault, principal)
        checked = await self.check(account, password, code, address)
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user, factor = await self.check.confirm(tenant, checked, code)
            now_us = self.clock.now_us()
            session = await live_session(tenant, self.check.vault, principal, self.limits, now_us)
            await tenant.users.save(sealed(self.check.vault, user))
            session = sealed(self.check.vault, replace(session, authenticated_us=now_us))
            await tenant.sessions.save(session)
            await self.events.by_user(tenant, user, "stepped_up", session.id, second_factor=factor)
        await self.check.succeeded(checked)
        return self.session_tokens.access(user, session, now_us)
