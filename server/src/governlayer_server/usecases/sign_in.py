"""Sign in: a new session for who shows password and second factor."""

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import Session, User
from governlayer_server.domain.errors import Overloaded
from governlayer_server.ports import Clock, Entropy, PasswordHasher, Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.check_credentials import CheckCredentials, Checked, address_fingerprints
from governlayer_server.usecases.email_addresses import email_indexes
from governlayer_server.usecases.new_id import new_id
from governlayer_server.usecases.password_hashes import seal_hash
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.session_tokens import SessionTokens, SignedIn
from governlayer_server.usecases.user_event import UserEvents


class SignIn(Struct, frozen=True, kw_only=True):
    """Signs users in."""

    accounts: AccountStore
    vault: Vault
    passwords: PasswordHasher
    check: CheckCredentials
    session_tokens: SessionTokens
    events: UserEvents
    clock: Clock
    entropy: Entropy

    async def __call__(self, email: str, password: str, code: str | None, address: str) -> SignedIn:
        """
        Return the tokens of a new session.

        Raises:
            TooManyAttempts, NotAuthenticated, Overloaded: as ``CheckCredentials``.
            LedgerUnavailable: the database is away. There is no session.
        """
        checked = await self.check(email_indexes(self.vault, email), password, code, address)
        stronger = await self._stronger_hash(checked, password)
        async with self.accounts.tenant(checked.user.organization_id) as tenant:
            user, factor = await self.check.confirm(tenant, checked, code)
            if stronger is not None:
                user = replace(user, password_hash=await seal_hash(self.vault, user.organization_id, user.id, stronger))
            # Saving tells every replica to forget the organization's principals: not where nothing has changed.
            if (rewritten := sealed(self.vault, user)).seal != checked.user.seal:
                await tenant.users.save(rewritten)
            session = self._new_session(user)
            await tenant.sessions.add(session)
            place = address_fingerprints(self.vault, [user.email_index], address)[0]
            await tenant.users.remember_address(user.id, place, session.created_us)
            await self.events.by_user(tenant, user, "signed_in", session.id, second_factor=factor)
        await self.check.succeeded(checked)
        return self.session_tokens.both(user, session, session.created_us)

    async def _stronger_hash(self, checked: Checked, password: str) -> str | None:
        """Return a new hash where the stored one is to be replaced; the sign-in does not rest on it."""
        if not self.passwords.needs_rehash(checked.password_hash):
            return None
        try:
            return await self.passwords.hash(password)
        except Overloaded:
            return None

    def _new_session(self, user: User) -> Session:
        now_us = self.clock.now_us()
        session = Session(
            id=new_id(self.clock, self.entropy),
            organization_id=user.organization_id,
            user_id=user.id,
            created_us=now_us,
            seen_us=now_us,
            authenticated_us=now_us,
        )
        return sealed(self.vault, session)
