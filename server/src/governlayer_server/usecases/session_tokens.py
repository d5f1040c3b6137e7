"""
Tokens of a session: a short-lived access token, and a refresh token that works once (RFC 9700 §4.14.2).

The refresh token names session and generation, and proves them with a keyed tag: nothing of it is stored.
"""

import hmac
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.account import Session, User
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.token_text import REFRESH_PREFIX, make_token, read_token
from governlayer_server.ports import Tokens, Vault


class SignedIn(Struct, frozen=True, kw_only=True):
    """What a client gets: an access token, how many seconds it is good for, and the refresh token."""

    access_token: str
    expires_in: int
    refresh_token: str

    def __repr__(self) -> str:
        """No tokens."""
        return "SignedIn()"


class Generation(Struct, frozen=True, kw_only=True):
    """What a genuine refresh token says: its session, and how often that had been refreshed before."""

    organization_id: UUID
    session_id: UUID
    generation: int


class SessionTokens(Struct, frozen=True, kw_only=True):
    """Makes and reads the tokens of sessions; ``lifetime_s`` is that of access tokens."""

    vault: Vault
    tokens: Tokens
    lifetime_s: int

    def both(self, user: User, session: Session, now_us: int) -> SignedIn:
        """Return the tokens of the session's present generation."""
        facts = session.id.bytes + session.generation.to_bytes(4, "big")
        refresh = facts + self._tag(user.organization_id, facts)
        return SignedIn(
            access_token=self.access(user, session, now_us),
            expires_in=self.lifetime_s,
            refresh_token=make_token(REFRESH_PREFIX, user.organization_id, refresh),
        )

    def access(self, user: User, session: Session, now_us: int) -> str:
        """Return an access token of the session."""
        return self.tokens.issue(
            subject=user.id,
            organization_id=user.organization_id,
            role=user.role,
            session_id=session.id,
            now_us=now_us,
        )

    def read_refresh(self, text: str) -> Generation:
        """
        Return what a genuine refresh token says; whether it is the newest is not known yet.

        Raises:
            NotAuthenticated: the appliance never made it. No query was made.
        """
        organization_id, payload = read_token(REFRESH_PREFIX, text)
        facts, tag = payload[:20], payload[20:]
        if organization_id is None or not hmac.compare_digest(tag, self._tag(organization_id, facts)):
            raise NotAuthenticated("the credential is not valid")
        generation = int.from_bytes(facts[16:], "big")
        return Generation(organization_id=organization_id, session_id=UUID(bytes=facts[:16]), generation=generation)

    def _tag(self, organization_id: UUID, facts: bytes) -> bytes:
        return self.vault.fingerprint("refresh-token", organization_id.bytes + facts)
