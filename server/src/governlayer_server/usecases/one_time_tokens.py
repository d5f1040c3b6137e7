"""One-time tokens: shown once, stored as a fingerprint, good once and for a while."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.account import OneTimeToken, Purpose
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.domain.token_text import ONE_TIME_PREFIX, PAYLOAD_BYTES, make_token, read_token
from governlayer_server.ports import Clock, Entropy, Vault
from governlayer_server.ports.accounts import OneTimeTokens as Stored
from governlayer_server.usecases.seal_rows import is_genuine, sealed

Fingerprints = tuple[bytes, ...]
"""What may be stored of one token, under each of the peppers."""
_Look = Callable[[bytes, int], Awaitable[OneTimeToken | None]]


class NewToken(Struct, frozen=True, kw_only=True):
    """The token as it is stored, and the text that is shown this once."""

    stored: OneTimeToken
    text: str

    def __repr__(self) -> str:
        """No secret."""
        return f"NewToken({self.stored.purpose!r})"


class OneTimeTokens(Struct, frozen=True, kw_only=True):
    """Makes and reads them. Storing and taking is the tenant's transaction's."""

    vault: Vault
    clock: Clock
    entropy: Entropy

    def make(
        self,
        organization_id: UUID | None,
        purpose: Purpose,
        user_id: UUID | None,
        life_us: int,
        plan: Plan | None = None,
    ) -> NewToken:
        """
        Return a new token; the caller stores it in the transaction of the same tenant.

        Args:
            organization_id: whose; None: the deployment's own.
            purpose: what it is good for.
            user_id: for whom, where it is for somebody.
            life_us: microseconds from now that it is good for.
            plan: what an organization gets that is founded with it.
        """
        text = make_token(ONE_TIME_PREFIX, organization_id, self.entropy.bytes(PAYLOAD_BYTES[ONE_TIME_PREFIX]))
        now_us = self.clock.now_us()
        stored = OneTimeToken(
            fingerprint=self._fingerprints(text)[0],
            tenant=tenant_name(organization_id),
            purpose=purpose,
            user_id=user_id,
            created_us=now_us,
            expires_us=now_us + life_us,
            plan=plan,
        )
        return NewToken(stored=sealed(self.vault, stored), text=text)

    def read(self, text: str) -> tuple[UUID | None, Fingerprints]:
        """
        Return whose token it is (None: the deployment's) and its fingerprints, for ``find`` and ``take``.

        Raises:
            NotAuthenticated: *text* is no token. No query was made.
        """
        organization_id, _ = read_token(ONE_TIME_PREFIX, text)
        return organization_id, self._fingerprints(text)

    async def find(self, tokens: Stored, fingerprints: Fingerprints) -> OneTimeToken | None:
        """Return the token and leave it as it is, unless it is unknown, used, expired or not as it was written."""
        return await self._first(tokens.find, fingerprints)

    async def take(self, tokens: Stored, fingerprints: Fingerprints) -> OneTimeToken | None:
        """Return the token and mark it used, unless it is what ``find`` does not return either."""
        return await self._first(tokens.take, fingerprints)

    async def _first(self, look: _Look, fingerprints: Fingerprints) -> OneTimeToken | None:
        now_us = self.clock.now_us()
        for fingerprint in fingerprints:
            token = await look(fingerprint, now_us)
            if token is not None:
                return token if is_genuine(self.vault, token) else None
        return None

    def _fingerprints(self, text: str) -> Fingerprints:
        return tuple(self.vault.fingerprints("one-time-token", text.encode()))
