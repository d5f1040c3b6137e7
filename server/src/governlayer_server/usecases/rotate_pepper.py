"""
Rotate the pepper. Blind indexes and seals are made anew at once; API keys, passwords and sessions at their next use.

What only its holder knows cannot be fingerprinted anew without them: recovery codes, one-time links, keys and passwords
that nobody uses. The old pepper goes once nothing needs it, or by force, which revokes what still does.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeAlias
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import ApiKey, User
from governlayer_server.domain.errors import Conflict
from governlayer_server.domain.tenants import SYSTEM_TENANT, tenant_name
from governlayer_server.domain.times import MINUTE_US
from governlayer_server.ports import Clock, PasswordHasher, RotatingVault
from governlayer_server.ports.accounts import AccountStore, Tenant
from governlayer_server.ports.pepper_uses import OldPepper, PepperUses
from governlayer_server.ports.rotations import Steps
from governlayer_server.ports.secrets import SecretPurpose, StoredSecret
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.usecases.renew_users import renew_users
from governlayer_server.usecases.rotate_secret import RotateSecret
from governlayer_server.usecases.seal_rows import is_genuine, sealed

Agreed: TypeAlias = Callable[[Mapping[str, int]], None]
_PEPPER = SecretPurpose.PEPPER
# A process that had not heard of the new pepper yet may have made refresh tokens with the old one.
_MARGIN_US = MINUTE_US
_BATCH = 100


class RotatePepper(Struct, frozen=True, kw_only=True):
    """Rotates the pepper; the operator's act. ``idle_us`` is how long a session lives that nobody refreshes."""

    rotate: RotateSecret
    uses: PepperUses
    accounts: AccountStore
    vault: RotatingVault
    passwords: PasswordHasher
    clock: Clock
    idle_us: int

    async def __call__(self, steps: Steps, force: Agreed | None = None) -> Mapping[str, int]:
        """
        Return what still needs the pepper before the one in service; nothing: it is removed.

        A rotation that was interrupted, or that waits for its end, is gone on with, and none is begun then.

        Args:
            steps: is told each step, and waits for the other processes.
            force: given, what still needs the old pepper is revoked, and that removed. It is told how many of what
                before that, and raises if they are to stay.

        Raises:
            Conflict: *force* was given, and no rotation waits for its end: none was begun, and nothing revoked.
            CipherError: the row of a user was altered, so that it does not open; the old pepper is kept.
            LedgerUnavailable: the database is away; to be done again.
        """
        old = await self.rotate.previous(_PEPPER)
        if old is None and await self.rotate.is_done(_PEPPER):
            await self.rotate.end(_PEPPER)
            return {}
        if old is None and force is not None:
            raise Conflict(
                "no rotation of the pepper waits for its end: begin one without --force, and see what is left"
            )
        if old is None:
            await self.rotate.activate(_PEPPER, steps)
            old = await self.rotate.previous(_PEPPER)
        await self.rotate.recorded(_PEPPER)
        return {} if old is None else await self._retire(old, steps, force)

    async def _retire(self, old: StoredSecret, steps: Steps, force: Agreed | None) -> Mapping[str, int]:
        going = OldPepper(
            mark=self.vault.mark(old.number), refreshed_us=old.moved_us + _MARGIN_US, idle_us=self.idle_us
        )
        passwords = await self._renew_all(going, steps)
        uses = Counter(await self.uses.count(going, self.clock.now_us()))
        uses["passwords"] += passwords
        remaining = +uses
        if remaining and force is None:
            return remaining
        if remaining and force is not None:
            force(remaining)
            await self._revoke_all()
            await steps.reached("what still needed the old pepper is revoked")
        for owner in (SYSTEM_TENANT, *(str(one.id) for one in await self.accounts.organizations())):
            await self.uses.revoke(owner, going, self.clock.now_us())
        await self.rotate.remove(old, revoked=remaining.total())
        await steps.reached(f"nothing needs pepper {old.number} any more: it is removed")
        return {}

    async def _renew_all(self, old: OldPepper, steps: Steps) -> int:
        """Make anew what can be; return how many passwords cannot."""
        organizations, passwords = await self.accounts.organizations(), 0
        await self._renew_tokens(None)
        await self.uses.clear(SYSTEM_TENANT, old, self.clock.now_us())
        for done, organization in enumerate(organizations, 1):
            await renew_users(self.accounts, self.vault, organization.id)
            await self._renew_keys(organization.id, None)
            await self._renew_sessions(organization.id, old)
            await self._renew_tokens(organization.id)
            await self.uses.clear(tenant_name(organization.id), old, self.clock.now_us())
            passwords += len(await self._users_of(organization.id))
            steps.progress(done, len(organizations))
        return passwords

    async def _renew_keys(self, organization_id: UUID, revoked_us: int | None) -> None:
        """Seal API keys anew; a dead one gets a fingerprint that fits nothing, and so do all if they are revoked."""
        async with self.accounts.tenant(organization_id) as tenant:
            ids = [key.id for key in await tenant.keys.all() if self._is_outdated(key)]
        for key_id in ids:
            async with self.accounts.tenant(organization_id) as tenant:
                key = await tenant.keys.one(key_id, lock=True)
                renewed = self._renewed(key, revoked_us)
                renewed = sealed(self.vault, renewed) if is_genuine(self.vault, key) else replace(renewed, seal=b"")
                await (tenant.keys.renew(renewed) if revoked_us is None else tenant.keys.save(renewed))

    def _is_outdated(self, key: ApiKey) -> bool:
        stored = (key.fingerprint, key.previous_fingerprint, key.seal)
        return any(one and self.vault.is_outdated(one) for one in stored)

    def _renewed(self, key: ApiKey, revoked_us: int | None) -> ApiKey:
        now_us = self.clock.now_us()
        is_dead = key.revoked_us is not None or (key.expires_us is not None and key.expires_us <= now_us)
        previous = key.previous_fingerprint
        if previous and self.vault.is_outdated(previous) and (revoked_us or (key.previous_until_us or 0) <= now_us):
            key = replace(key, previous_fingerprint=None)
        if self.vault.is_outdated(key.fingerprint) and (is_dead or revoked_us is not None):
            dead = self.vault.fingerprint("dead-api-key", key.fingerprint)
            key = replace(key, fingerprint=dead, revoked_us=key.revoked_us or revoked_us)
        return key

    async def _renew_sessions(self, organization_id: UUID, old: OldPepper) -> None:
        async with self.accounts.tenant(organization_id) as tenant:
            while page := await tenant.sessions.marked(old.mark, _BATCH):
                for session in page:
                    genuine = is_genuine(self.vault, session)
                    await tenant.sessions.renew(sealed(self.vault, session) if genuine else replace(session, seal=b""))

    async def _renew_tokens(self, organization_id: UUID | None) -> None:
        async with self.accounts.tenant(organization_id) as tenant:
            for token in await tenant.tokens.all():
                if self.vault.is_outdated(token.seal):
                    genuine = is_genuine(self.vault, token)
                    await tenant.tokens.renew(sealed(self.vault, token) if genuine else replace(token, seal=b""))

    async def _users_of(self, organization_id: UUID) -> list[UUID]:
        """Return the users whose passwords were hashed with an old pepper."""
        async with self.accounts.tenant(organization_id) as tenant:
            users = await tenant.users.all()
        return [user.id for user in users if await self._has_old_password(user)]

    async def _has_old_password(self, user: User) -> bool:
        stored = await open_hash(self.vault, user)
        return stored is not None and self.passwords.is_outdated(stored)

    async def _revoke_all(self) -> None:
        now_us = self.clock.now_us()
        for organization in await self.accounts.organizations():
            await self._renew_keys(organization.id, now_us)
            async with self.accounts.tenant(organization.id) as tenant:
                for user in await tenant.users.all():
                    await self._revoke_user(tenant, user.id)

    async def _revoke_user(self, tenant: Tenant, user_id: UUID) -> None:
        user = await tenant.users.one(user_id, lock=True)
        recovery = tuple(one for one in user.recovery if not self.vault.is_outdated(one))
        old_password = await self._has_old_password(user)
        if recovery == user.recovery and not old_password:
            return
        revoked = replace(user, recovery=recovery, password_hash=None if old_password else user.password_hash)
        await tenant.users.save(sealed(self.vault, revoked) if is_genuine(self.vault, user) else revoked)
