"""A forgotten password: a letter with a link that works once for 30 minutes, and the new password that it sets."""

from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import OneTimeToken, Purpose, User, UserStatus
from governlayer_server.domain.errors import NotAuthenticated, NotFound, TooManyAttempts
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.password_throttle import forgot_buckets, letter_buckets, reset_buckets
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.ports import Clock, PasswordHasher, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.ports.sign_in import Later, Mailer
from governlayer_server.usecases.check_credentials import may_sign_in
from governlayer_server.usecases.email_addresses import email_indexes, open_email
from governlayer_server.usecases.new_password import NewPassword
from governlayer_server.usecases.one_time_tokens import Fingerprints, OneTimeTokens
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import is_genuine, sealed
from governlayer_server.usecases.throttle import Throttle
from governlayer_server.usecases.user_event import UserEvents

RESET_LIFE_US = 30 * MINUTE_US
_SUBJECT = "Set a new password"
_LETTER = """\
Somebody, probably you, asked for a new password for your GovernLayer account.

Set it here, within 30 minutes:

{link}

If it was not you, do nothing: your password stays as it is.
"""


def reset_link(public_url: str, text: str) -> str:
    """Return the link for a reset token. It stands behind ``#``, so that no server and no proxy ever logs it."""
    return f"{public_url.rstrip('/')}/reset#token={text}"


class ForgotPassword(Struct, frozen=True, kw_only=True):
    """Sends letters. Whether there is an account, and whether letters are sent at all, is told to nobody who asks."""

    accounts: AccountStore
    vault: Vault
    one_time_tokens: OneTimeTokens
    throttle: Throttle
    events: UserEvents
    mailer: Mailer | None
    public_url: str
    later: Later

    async def __call__(self, email: str, address: str) -> None:
        """
        Return at once; what there is to do is done later.

        Raises:
            TooManyAttempts: too many letters were asked for from *address*, whoever for.
        """
        await self.throttle.spend(forgot_buckets(address))
        if self.mailer is not None:
            self.later(self._send(self.mailer, email))

    async def _send(self, mailer: Mailer, email: str) -> None:
        accounts = email_indexes(self.vault, email)
        organization_id = await self.accounts.organization_of_user(*accounts)
        if organization_id is None:
            return
        try:
            await self.throttle.spend(letter_buckets(accounts[0]))
        except TooManyAttempts:
            return
        async with self.accounts.tenant(organization_id) as tenant:
            user, organization = await tenant.users.by_email(*accounts), await tenant.organization()
            if user is None or not may_sign_in(self.vault, user, organization):
                return
            made = self.one_time_tokens.make(organization_id, Purpose.RESET, user.id, RESET_LIFE_US)
            await tenant.tokens.add(made.stored)
            address = await open_email(self.vault, user)
            await self.events.by_system(tenant, user, "reset_link_sent")
        # To the address as it was stored, never to the one that was typed.
        await mailer.send(address, _SUBJECT, _LETTER.format(link=reset_link(self.public_url, made.text)))


class ResetPassword(Struct, frozen=True, kw_only=True):
    """Sets a new password for who holds a reset token. The second factor stays in force."""

    accounts: AccountStore
    vault: Vault
    passwords: PasswordHasher
    new_password: NewPassword
    one_time_tokens: OneTimeTokens
    throttle: Throttle
    events: UserEvents
    clock: Clock

    async def __call__(self, token: str, new_password: str, address: str) -> None:
        """
        Set *new_password*; all sessions and all other one-time tokens of the user end with it.

        A hash is made whether or not the token is valid, so that the time does not tell.

        Raises:
            TooManyAttempts: too many tries from *address* lately. Nothing was hashed.
            NotAuthenticated: the token is unknown, used, expired, for something else, or its user may not sign in.
            InvalidRequest: *new_password* breaks the rules. The token still works.
            Overloaded: too many are waiting. The token still works.
        """
        await self.throttle.spend(reset_buckets(address))
        organization_id, fingerprints = self.one_time_tokens.read(token)
        self.new_password.check_alone(new_password, "/new_password")
        # Guessing and hashing take a core for long: before the transaction that locks rows.
        if found := await self._found(organization_id, fingerprints):
            await self.new_password.check(new_password, "/new_password", *found)
        made = await self.passwords.hash(new_password)
        if organization_id is None or found is None:
            raise NotAuthenticated
        async with self.accounts.tenant(organization_id) as tenant:
            now_us = self.clock.now_us()
            taken = await self.one_time_tokens.take(tenant.tokens, fingerprints)
            user, _ = await self._user_of(tenant, taken, lock=True)
            await tenant.users.save(
                sealed(
                    self.vault,
                    replace(user, password_hash=await seal_hash(self.vault, user.organization_id, user.id, made)),
                )
            )
            await tenant.sessions.end_all(user.id, now_us)
            await tenant.tokens.drop(user.id)
            await self.events.by_user(tenant, user, "password_reset")

    async def _found(
        self, organization_id: UUID | None, fingerprints: Fingerprints
    ) -> tuple[User, Organization] | None:
        """Return whose reset token it is, or None where it is none that counts."""
        if organization_id is None:
            return None
        async with self.accounts.tenant(organization_id) as tenant:
            try:
                return await self._user_of(tenant, await self.one_time_tokens.find(tenant.tokens, fingerprints))
            except NotAuthenticated:
                return None

    async def _user_of(
        self, tenant: Tenant, token: OneTimeToken | None, *, lock: bool = False
    ) -> tuple[User, Organization]:
        """Return whose reset token it is; raising puts the token back as it was."""
        if token is None or token.purpose is not Purpose.RESET:
            raise NotAuthenticated
        try:
            user = await tenant.users.one(token.user_id or UUID(int=0), lock=lock)
            organization = await tenant.organization()
        except NotFound:
            raise NotAuthenticated from None
        barred = user.status is UserStatus.DISABLED or organization.closed_us is not None
        if barred or not is_genuine(self.vault, user):
            raise NotAuthenticated
        return user, organization
