"""The second factor: set it up, put it in force, take it off."""

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.access import Principal
from governlayer_server.domain.account import User
from governlayer_server.domain.errors import Fault, InvalidRequest, NotAuthenticated
from governlayer_server.domain.password_throttle import code_buckets
from governlayer_server.domain.recovery_code import RANDOMNESS_BYTES, make_recovery_codes, read_recovery_code
from governlayer_server.ports import Clock, Entropy, OneTimeCodes, Vault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.usecases.change_password import account_of
from governlayer_server.usecases.email_addresses import open_email
from governlayer_server.usecases.members import acting_user
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.second_factor import SecondFactor, place_of, recovery_fingerprints
from governlayer_server.usecases.throttle import Spent, Throttle
from governlayer_server.usecases.user_event import UserEvents

_BEFORE_ALL_STEPS = -1


class PendingTotp(Struct, frozen=True, kw_only=True):
    """A secret that is not in force yet, as text and as the URI that authenticator apps read."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        """No secret."""
        return "PendingTotp()"


class SetUpTotp(Struct, frozen=True, kw_only=True):
    """Acts of a user on the own second factor; the routes ask for a recent step-up first."""

    accounts: AccountStore
    vault: Vault
    codes: OneTimeCodes
    second_factor: SecondFactor
    throttle: Throttle
    events: UserEvents
    clock: Clock
    entropy: Entropy

    async def begin(self, principal: Principal, code: str | None = None) -> PendingTotp:
        """
        Return a new secret; it is in force once ``confirm`` saw a code of it, and the one before works till then.

        Args:
            principal: who asks.
            code: a code of the second factor in force, or a recovery code; not needed where there is none.

        Raises:
            TooManyAttempts: too many wrong codes lately.
            NotAuthenticated: there is a second factor and *code* is not one of its codes. Nothing was changed.
        """
        secret, spent = self.codes.new_secret(), await self._spend(principal)
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user = await acting_user(tenant, self.vault, principal)
            pending = await self.vault.seal(place_of(user, "totp_pending"), secret.encode())
            accepted = await self.second_factor.spend(user, code)
            if accepted is None:
                raise NotAuthenticated
            await tenant.users.save(sealed(self.vault, replace(accepted[0], totp_pending=pending)))
            email = await open_email(self.vault, user)
        await self.throttle.give_back(spent)
        return PendingTotp(secret=secret, uri=self.codes.provisioning_uri(secret, email))

    async def confirm(self, principal: Principal, code: str) -> tuple[str, ...]:
        """
        Put the pending secret in force and return ten recovery codes, shown this once; all other sessions end.

        Raises:
            TooManyAttempts: too many wrong codes lately.
            InvalidRequest: there is no pending secret, or *code* is not one of its codes now. Nothing was changed.
        """
        spent = await self._spend(principal)
        texts = make_recovery_codes(self.entropy.bytes(RANDOMNESS_BYTES))
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user, now_us = await acting_user(tenant, self.vault, principal), self.clock.now_us()
            secret = await self._pending(user)
            step = self.codes.matching_step(secret, code, now_us, _BEFORE_ALL_STEPS) if secret else None
            if secret is None or step is None:
                raise InvalidRequest("the code does not match", [Fault("/code", "a code of the pending secret")])
            kept = [recovery_fingerprints(self.vault, user.id, read_recovery_code(text))[0] for text in texts]
            in_force = replace(
                user,
                totp_sealed=await self.vault.seal(place_of(user, "totp_sealed"), secret.encode()),
                totp_pending=None,
                totp_step=step,
                recovery=tuple(kept),
            )
            await tenant.users.save(sealed(self.vault, in_force))
            await tenant.sessions.end_all(user.id, now_us, but=principal.session_id)
            await self.events.by_user(tenant, user, "totp_enabled", principal.session_id)
        await self.throttle.give_back(spent)
        return texts

    async def remove(self, principal: Principal, code: str) -> None:
        """
        Take the second factor off.

        Raises:
            TooManyAttempts: too many wrong codes lately.
            NotAuthenticated: there is none, or *code* is not one of its codes or of the recovery codes.
        """
        spent = await self._spend(principal)
        async with self.accounts.tenant(principal.organization_id) as tenant:
            user = await acting_user(tenant, self.vault, principal)
            if user.totp_sealed is None or await self.second_factor.spend(user, code) is None:
                raise NotAuthenticated
            await tenant.users.save(sealed(self.vault, without_totp(user)))
            await self.events.by_user(tenant, user, "totp_disabled", principal.session_id)
        await self.throttle.give_back(spent)

    async def _spend(self, principal: Principal) -> Spent:
        account = await account_of(self.accounts, self.vault, principal)
        return await self.throttle.spend(code_buckets(account[0]))

    async def _pending(self, user: User) -> str | None:
        if user.totp_pending is None:
            return None
        return (await self.vault.open(place_of(user, "totp_pending"), user.totp_pending)).decode()


def without_totp(user: User) -> User:
    """Return *user* without a second factor, in force or pending; the last step stays, so that no code works twice."""
    return replace(user, totp_sealed=None, totp_pending=None, recovery=())
