"""Refresh: a new pair of tokens for the newest refresh token; an older one ends the session (RFC 9700 §4.14.2)."""

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import Session, User
from governlayer_server.domain.errors import NotAuthenticated, NotFound
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.ports import Clock, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.check_credentials import may_sign_in
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.session_tokens import Generation, SessionTokens, SignedIn, is_live
from governlayer_server.usecases.user_event import UserEvents


class RefreshSession(Struct, frozen=True, kw_only=True):
    """Rotates refresh tokens."""

    accounts: AccountStore
    vault: Vault
    session_tokens: SessionTokens
    events: UserEvents
    clock: Clock
    limits: SessionLimits

    async def __call__(self, refresh_token: str) -> SignedIn:
        """
        Return the next pair of tokens; *refresh_token* works never again.

        Two that come with the same token at the same time take turns: the second is reuse.

        Raises:
            NotAuthenticated: it is not genuine, or its session has ended. One that was used before is reuse: thief and
                user cannot be told apart, so the session is ended and that is recorded.
        """
        given = self.session_tokens.read_refresh(refresh_token)
        async with self.accounts.tenant(given.organization_id) as tenant:
            refreshed = await self._refresh(tenant, given)
        if refreshed is None:
            raise NotAuthenticated
        user, session = refreshed
        return self.session_tokens.both(user, session, session.seen_us)

    async def _refresh(self, tenant: Tenant, given: Generation) -> tuple[User, Session] | None:
        session, now_us = await tenant.sessions.one(given.session_id, lock=True), self.clock.now_us()
        if session is None or not is_live(self.vault, self.limits, session, now_us):
            return None
        if not self.session_tokens.is_of(given, session):
            return None
        try:
            user, organization = await tenant.users.one(session.user_id), await tenant.organization()
        except NotFound:
            return None
        if given.generation != session.generation:
            await tenant.sessions.save(session.ended(now_us))
            await self.events.by_system(tenant, user, "refresh_reused", session.id)
            return None
        if not may_sign_in(self.vault, user, organization):
            return None
        session = sealed(self.vault, replace(session, generation=session.generation + 1, seen_us=now_us))
        await tenant.sessions.save(session)
        return user, session
