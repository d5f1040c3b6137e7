"""The second factor at a sign-in: a code of an authenticator app or a recovery code, each good once."""

import hmac
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.account import User
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.recovery_code import read_recovery_code
from governlayer_server.ports import Clock, OneTimeCodes, Place, Vault

NONE, TOTP, RECOVERY = "none", "totp", "recovery_code"


class SecondFactor(Struct, frozen=True, kw_only=True):
    """Checks and spends codes. What is spent is durable once the caller has saved the user."""

    vault: Vault
    codes: OneTimeCodes
    clock: Clock

    async def spend(self, user: User, code: str | None) -> tuple[User, str] | None:
        """
        Return the user with *code* spent and what it was, or None where it is missing, wrong or was used before.

        A user without a second factor comes back as it is, whatever *code* is.
        """
        if user.totp_sealed is None:
            return user, NONE
        secret = (await self.vault.open(place_of(user, "totp_sealed"), user.totp_sealed)).decode()
        if code is None:
            return None
        step = self.codes.matching_step(secret, code, self.clock.now_us(), user.totp_step)
        if step is not None:
            return replace(user, totp_step=step), TOTP
        rest = self._without_recovery_code(user, code)
        return None if rest is None else (replace(user, recovery=rest), RECOVERY)

    def _without_recovery_code(self, user: User, code: str) -> tuple[bytes, ...] | None:
        try:
            given = recovery_fingerprints(self.vault, user.id, read_recovery_code(code))
        except NotAuthenticated:
            return None
        rest = tuple(one for one in user.recovery if not _is_among(one, given))
        return None if len(rest) == len(user.recovery) else rest


def place_of(user: User, column: str) -> Place:
    """Return where a secret of *user* lives."""
    return Place(organization_id=user.organization_id, table="app_user", column=column, row=str(user.id))


def recovery_fingerprints(vault: Vault, user_id: UUID, canonical: str) -> Sequence[bytes]:
    """Return what may be stored of a recovery code, useless without the pepper; what is stored now comes first."""
    return vault.fingerprints("recovery-code", user_id.bytes + canonical.encode())


def _is_among(one: bytes, given: Sequence[bytes]) -> bool:
    matches = [hmac.compare_digest(one, each) for each in given]
    return any(matches)
