"""A user's own sessions: list them, end one, sign out of this one or of all."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.access import Principal
from governlayer_server.domain.account import Session
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.ports import Clock, Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.members import acting_user
from governlayer_server.usecases.session_tokens import is_live
from governlayer_server.usecases.user_event import UserEvents


class ManageSessions(Struct, frozen=True, kw_only=True):
    """Shows and ends sessions of the user who asks, and of nobody else."""

    accounts: AccountStore
    vault: Vault
    events: UserEvents
    clock: Clock
    limits: SessionLimits

    async def all(self, principal: Principal) -> Sequence[Session]:
        """Return the live sessions, newest first."""
        async with self.accounts.tenant(principal.organization_id) as tenant:
            sessions = await tenant.sessions.of_user(principal.user_id)
        now_us = self.clock.now_us()
        return [session for session in sessions if is_live(self.vault, self.limits, session, now_us)]

    async def end(self, principal: Principal, session_id: UUID) -> None:
        """
        End a session at once, on every replica.

        Raises:
            NotFound: the user has no such session, or it has ended. One of somebody else looks the same.
        """
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user, now_us = await acting_user(tenant, self.vault, principal), self.clock.now_us()
            session = await tenant.sessions.one(session_id, lock=True)
            live = session is not None and is_live(self.vault, self.limits, session, now_us)
            if session is None or session.user_id != user.id or not live:
                raise NotFound("there is no such session")
            await tenant.sessions.save(session.ended(now_us))
            await self.events.by_user(tenant, user, "sessions_ended", session.id)

    async def sign_out(self, principal: Principal, *, everywhere: bool) -> None:
        """End the session that the principal uses, or all of the user's."""
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user, now_us = await acting_user(tenant, self.vault, principal), self.clock.now_us()
            if everywhere:
                await tenant.sessions.end_all(user.id, now_us)
                await self.events.by_user(tenant, user, "sessions_ended")
                return
            session = await tenant.sessions.one(principal.session_id or UUID(int=0), lock=True)
            if session is not None and session.ended_us is None:
                await tenant.sessions.save(session.ended(now_us))
                await self.events.by_user(tenant, user, "signed_out", session.id)
