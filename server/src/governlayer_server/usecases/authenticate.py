"""Authenticate: find the principal behind an API key or an access token."""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import AccessClaims, Principal
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.api_key import PREFIX, check_api_key
from governlayer_server.domain.errors import LedgerUnavailable, NotAuthenticated, NotFound
from governlayer_server.domain.ledger.record import ActorKind
from governlayer_server.domain.network import is_within
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.ports import Clock, Tokens, Vault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.usecases.count_usage import CountUsage
from governlayer_server.usecases.members import active_user
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.usecases.seal_rows import is_genuine, sealed
from governlayer_server.usecases.session_tokens import is_live

FINGERPRINT_PURPOSE = "api-key"
_NAMES = ("fingerprint", "previous_fingerprint")


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
        fingerprints = self.vault.fingerprints(FINGERPRINT_PURPOSE, key.encode())
        principal = self.cache.get(fingerprints[0])
        if principal is None:
            principal = await self._read_key(fingerprints)
        if principal.allowed_ips and not is_within(address, principal.allowed_ips):
            self.usage.note(principal.organization_id, principal.id, "address")
            raise NotAuthenticated
        return principal

    async def _read_key(self, fingerprints: Sequence[bytes]) -> Principal:
        asked_us, now_us = self.clock.monotonic_us(), self.clock.now_us()
        organization_id = await self.accounts.organization_of_key(*fingerprints)
        if organization_id is None:
            raise NotAuthenticated
        async with self.accounts.tenant(organization_id) as tenant:
            key, organization = await tenant.keys.by_fingerprint(*fingerprints), await tenant.organization()
        if key is None:
            raise NotAuthenticated
        reason, until_us = self._standing(key, fingerprints, organization, now_us)
        if reason is not None:
            self.usage.note(organization_id, str(key.id), reason)
            raise NotAuthenticated
        await self._move(key, fingerprints)
        principal = _of_key(key, organization)
        if until_us is None or until_us - now_us > self.cache.life_us:
            self.cache.put(fingerprints[0], principal, asked_us)
        return principal

    async def _move(self, key: ApiKey, fingerprints: Sequence[bytes]) -> None:
        """Store the key that was shown under the pepper in service; where that fails, its next use tries again."""
        if not any(map(self.vault.is_outdated, _present(key, fingerprints))):
            return
        with suppress(LedgerUnavailable, NotFound):
            async with self.accounts.tenant(key.organization_id) as tenant:
                stored = await tenant.keys.one(key.id, lock=True)
                if is_genuine(self.vault, stored):
                    moved = {name: fingerprints[0] for name in _NAMES if getattr(stored, name) in fingerprints}
                    await tenant.keys.renew(sealed(self.vault, replace(stored, **moved)))

    def _standing(
        self, key: ApiKey, fingerprints: Sequence[bytes], organization: Organization, now_us: int
    ) -> tuple[str | None, int | None]:
        """Return why the key is refused, or None, and until when it stands as it does."""
        until_us = key.expires_us
        if key.fingerprint not in fingerprints:
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


def _present(key: ApiKey, fingerprints: Sequence[bytes]) -> Sequence[bytes]:
    """Return the stored fingerprint of the secret that was shown."""
    return [stored for name in _NAMES if (stored := getattr(key, name)) in fingerprints]


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
