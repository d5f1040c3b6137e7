"""What the operator does to users from the command line: list, new password, disable and enable, lost second factor."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import Purpose, User
from governlayer_server.domain.errors import InvalidRequest, NotFound
from governlayer_server.ports import Clock, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.email_addresses import email_indexes, open_email
from governlayer_server.usecases.one_time_tokens import NewToken, OneTimeTokens
from governlayer_server.usecases.reset_password import RESET_LIFE_US
from governlayer_server.usecases.seal_rows import is_genuine, sealed
from governlayer_server.usecases.set_up_totp import without_totp
from governlayer_server.usecases.user_event import UserEvents


class OperateUsers(Struct, frozen=True, kw_only=True):
    """The operator's acts; each is recorded in the organization's ledger."""

    accounts: AccountStore
    vault: Vault
    one_time_tokens: OneTimeTokens
    events: UserEvents
    clock: Clock

    async def all(self, organization_id: UUID) -> Sequence[tuple[User, str]]:
        """Return the members with their e-mail addresses, oldest first."""
        async with self.accounts.tenant(organization_id) as tenant:
            return [(user, await open_email(self.vault, user)) for user in await tenant.users.all()]

    async def reset_token(self, organization_id: UUID, email: str) -> NewToken:
        """
        Return a token that sets a new password once, within 30 minutes; a user without a password may use it too.

        Raises:
            NotFound: the organization has no such user.
            InvalidRequest: the user is disabled, or the row was altered: nobody could use the token.
        """
        async with self.accounts.tenant(organization_id) as tenant:
            user = await self._one(tenant, email)
            if user.disabled_us is not None:
                raise InvalidRequest("the user is disabled: `governlayer users enable` first")
            made = self.one_time_tokens.make(organization_id, Purpose.RESET, user.id, RESET_LIFE_US)
            await tenant.tokens.add(made.stored)
            await self.events.by_system(tenant, user, "reset_link_made")
        return made

    async def disable(self, organization_id: UUID, email: str) -> User:
        """Return the user, who can no longer sign in; all sessions and one-time tokens end at once."""

        async def change(tenant: Tenant, user: User) -> User:
            now_us = self.clock.now_us()
            await tenant.sessions.end_all(user.id, now_us)
            await tenant.tokens.drop(user.id)
            return replace(user, disabled_us=now_us)

        return await self._change(organization_id, email, "disabled", change)

    async def enable(self, organization_id: UUID, email: str) -> User:
        """Return the user, who can sign in again."""

        async def change(_: Tenant, user: User) -> User:
            return replace(user, disabled_us=None)

        return await self._change(organization_id, email, "enabled", change)

    async def remove_totp(self, organization_id: UUID, email: str) -> User:
        """Return the user, whose second factor is off: the way back for who lost it. All sessions end."""

        async def change(tenant: Tenant, user: User) -> User:
            await tenant.sessions.end_all(user.id, self.clock.now_us())
            return without_totp(user)

        return await self._change(organization_id, email, "totp_removed", change)

    async def _change(
        self, organization_id: UUID, email: str, name: str, change: Callable[[Tenant, User], Awaitable[User]]
    ) -> User:
        async with self.accounts.tenant(organization_id) as tenant:
            user = sealed(self.vault, await change(tenant, await self._one(tenant, email)))
            await tenant.users.save(user)
            await self.events.by_system(tenant, user, name)
        return user

    async def _one(self, tenant: Tenant, email: str) -> User:
        found = await tenant.users.by_email(*email_indexes(self.vault, email))
        if found is None:
            raise NotFound("the organization has no user with this e-mail address: `governlayer users list` shows all")
        user = await tenant.users.one(found.id, lock=True)
        if not is_genuine(self.vault, user):
            raise InvalidRequest("the user's row was altered behind the appliance's back: it is not sealed again")
        return user
