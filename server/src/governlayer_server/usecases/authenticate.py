"""Authenticate: find the principal behind an API key or an access token."""

from msgspec import Struct

from governlayer_server.domain.access import AccessClaims, Principal
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.api_key import PREFIX, check_api_key
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.network import is_within
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.ports import Clock, Tokens, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.members import active_user
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.seal_rows import is_genuine
from governlayer_server.usecases.session_tokens import is_live

FINGERPRINT_PURPOSE = "api-key"


class Authenticate(Struct, frozen=True, kw_only=True):
    """Checks credentials. All that is wrong with one is told with the same words; its owner sees counts by reason."""

    accounts: AccountStore
    vault: Vault
    clock: Clock
    tokens: Tokens
    cache: PrincipalCache
    usage: CountUsage
    limits: SessionLimits

    async def __call__(self, credential: str, address: str | None = None) -> Principal:
        """
        Return the principal that *credential* belongs to.

        Args:
            credential: an API key (``gl_…``) or an access token.
            address: where the request comes from, an IP address; None where that is not known.

        Raises:
            NotAuthenticated: unknown, malformed, revoked, expired, or not for this address; the text never says which.
            LedgerUnavailable: the database is away.
        """
        if credential.startswith(PREFIX):
            return await self._by_key(check_api_key(credential), address)
        return await self._by_token(self.tokens.verify(credential))

    async def _by_key(self, key: str, address: str | None) -> Principal:
        fingerprint = self.vault.fingerprint(FINGERPRINT_PURPOSE, key.encode())
        principal = self.cache.get(fingerprint)
        if principal is None:
            principal = await self._read_key(fingerprint)
        if principal.allowed_ips and not is_within(address, principal.allowed_ips):
            self.usage.note(principal.organization_id, principal.id, "address")
            raise NotAuthenticated
        return principal

    async def _read_key(self, fingerprint: bytes) -> Principal:
        asked_us, now_us = self.clock.monotonic_us(), self.clock.now_us()
        organization_id = await self.accounts.organization_of_key(fingerprint)
        if organization_id is None:
            raise NotAuthenticated
        async with self.accounts.tenant(organization_id) as tenant:
            key, organization = await tenant.keys.by_fingerprint(fingerprint), await tenant.organization()
        if key is None:
            raise NotAuthenticated
        reason, until_us = self._standing(key, fingerprint, organization, now_us)
        if reason is not None:
            self.usage.note(organization_id, str(key.id), reason)
            raise NotAuthenticated
        principal = _of_key(key, organization)
        if until_us is None or until_us - now_us > self.cache.life_us:
            self.cache.put(fingerprint, principal, asked_us)
        return principal

    def _standing(
        self, key: ApiKey, fingerprint: bytes, organization: Organization, now_us: int
    ) -> tuple[str | None, int | None]:
        """Return why the key is refused, or None, and until when it stands as it does."""
        until_us = key.expires_us
        if fingerprint != key.fingerprint:
            until_us = min(key.previous_until_us or 0, key.expires_us or key.previous_until_us or 0)
        if not is_genuine(self.vault, key):
            return "altered", None
        if key.revoked_us is not None or organization.closed_us is not None:
            return "revoked", None
        if key.expires_us is not None and key.expires_us <= now_us:
            return "expired", None
        if until_us is not None and until_us <= now_us:
            return "rotated", None
        return None, until_us

    async def _by_token(self, claims: AccessClaims) -> Principal:
        name = claims.session_id.bytes + claims.subject.bytes
        principal = self.cache.get(name)
        if principal is None:
            asked_us = self.clock.monotonic_us()
            async with self.accounts.tenant(claims.organization_id) as tenant:
                principal = await self._read_session(tenant, claims)
            self.cache.put(name, principal, asked_us)
        if (principal.organization_id, principal.role) != (claims.organization_id, claims.role):
            raise NotAuthenticated
        return principal

    async def _read_session(self, tenant: Tenant, claims: AccessClaims) -> Principal:
        session = await tenant.sessions.one(claims.session_id)
        user = await active_user(tenant, self.vault, claims.subject)
        if session is None or user is None or session.user_id != user.id:
            raise NotAuthenticated
        organization = await tenant.organization()  # there is one: the user is its
        if organization.closed_us is not None or not is_live(self.vault, self.limits, session, self.clock.now_us()):
            raise NotAuthenticated
        return Principal(
            kind=ActorKind.USER,
            id=str(user.id),
            organization_id=organization.id,
            plan=organization.plan,
            role=user.role,
            session_id=session.id,
            authenticated_us=session.authenticated_us,
            organization_created_us=organization.created_us,
            settings=organization.settings,
        )


def _of_key(key: ApiKey, organization: Organization) -> Principal:
    return Principal(
        kind=ActorKind.API_KEY,
        id=str(key.id),
        organization_id=organization.id,
        plan=organization.plan,
        scopes=key.scopes,
        rate_limit=key.rate_limit,
        allowed_ips=key.allowed_ips,
        organization_created_us=organization.created_us,
        settings=organization.settings,
    )
