"""
Tokens of a session: a short-lived access token, and a refresh token that works once (RFC 9700 §4.14.2).

The refresh token names session and generation, and proves them with keyed tags: nothing of it is stored. The first tag
is checked before any query; the second binds the user, whom the token does not name.
"""

import hmac
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.account import Session, User
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.token_text import REFRESH_PREFIX, make_token, read_token
from governlayer_server.ports import Tokens, Vault
from governlayer_server.usecases.seal_rows import is_genuine

_MAC_BYTES = 32
_TAG_BYTES = 16  # of 32: no shorter than the keys of AES-128, and two fit where there was one


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
    user_tag: bytes

    def __repr__(self) -> str:
        """No tag."""
        return f"Generation({self.session_id}, {self.generation})"


def is_live(vault: Vault, limits: SessionLimits, session: Session, now_us: int) -> bool:
    """Return whether *session* is as the appliance wrote it, and has neither been ended nor reached a limit."""
    return limits.is_live(session, now_us) and is_genuine(vault, session)


class SessionTokens(Struct, frozen=True, kw_only=True):
    """Makes and reads the tokens of sessions; ``lifetime_s`` is that of access tokens."""

    vault: Vault
    tokens: Tokens
    lifetime_s: int

    def both(self, user: User, session: Session, now_us: int) -> SignedIn:
        """Return the tokens of the session's present generation."""
        facts = session.id.bytes + session.generation.to_bytes(4, "big")
        refresh = facts + self._tags(user.organization_id, facts)[0] + self._user_tags(session, session.generation)[0]
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
        facts, tag, user_tag = payload[:20], payload[20:36], payload[36:]
        if organization_id is None or not _is_among(tag, self._tags(organization_id, facts)):
            raise NotAuthenticated
        generation = int.from_bytes(facts[16:], "big")
        session_id = UUID(bytes=facts[:16])
        return Generation(
            organization_id=organization_id, session_id=session_id, generation=generation, user_tag=user_tag
        )

    def is_of(self, given: Generation, session: Session) -> bool:
        """Return whether the token was made for the user whose *session* is."""
        return _is_among(given.user_tag, self._user_tags(session, given.generation))

    def _tags(self, organization_id: UUID, facts: bytes) -> Sequence[bytes]:
        return _cut(self.vault.fingerprints("refresh-token", organization_id.bytes + facts))

    def _user_tags(self, session: Session, generation: int) -> Sequence[bytes]:
        facts = session.user_id.bytes + session.id.bytes + generation.to_bytes(4, "big")
        return _cut(self.vault.fingerprints("refresh-token-user", session.organization_id.bytes + facts))


def _cut(fingerprints: Sequence[bytes]) -> Sequence[bytes]:
    """Return the tags: without the number of the pepper, which may stand in front."""
    return [one[-_MAC_BYTES:][:_TAG_BYTES] for one in fingerprints]


def _is_among(tag: bytes, tags: Sequence[bytes]) -> bool:
    matches = [hmac.compare_digest(tag, each) for each in tags]
    return any(matches)
