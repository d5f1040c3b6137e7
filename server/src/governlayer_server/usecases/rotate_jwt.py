"""Rotate the secret that signs access tokens: the one before verifies until no token of it can be good any more."""

from msgspec import Struct

from governlayer_server.domain.times import MINUTE_US, SECOND_US
from governlayer_server.ports import Clock
from governlayer_server.ports.rotations import Steps
from governlayer_server.ports.secrets import SecretPurpose
from governlayer_server.usecases.rotate_secret import RotateSecret

# A process that had not heard of the new secret yet, and clocks that differ.
MARGIN_US = MINUTE_US


class RotateJwt(Struct, frozen=True, kw_only=True):
    """
    Rotates the secret of access tokens.

    Args:
        rotate: does the steps.
        clock: tells when the one before has served its time.
        lifetime_s: the longest that a token is good for in any process.
    """

    rotate: RotateSecret
    clock: Clock
    lifetime_s: int

    async def __call__(self, steps: Steps) -> int:
        """
        Return for how many seconds the secret before the one in service is still accepted; 0: it is removed.

        A rotation that was interrupted, or that waits for its end, is gone on with, and none is begun then.

        Raises:
            LedgerUnavailable: the database is away; to be done again.
        """
        left_s = await self.retire()
        if left_s is None:
            await self.rotate.activate(SecretPurpose.JWT, steps)
            left_s = await self.retire()
        return left_s or 0

    async def retire(self) -> int | None:
        """Return how long the secret before is accepted; 0: it has just been removed. None: there is nothing to do."""
        old = await self.rotate.previous(SecretPurpose.JWT)
        if old is None:
            if not await self.rotate.is_done(SecretPurpose.JWT):
                return None
            await self.rotate.end(SecretPurpose.JWT)
            return 0
        await self.rotate.recorded(SecretPurpose.JWT)
        left_us = old.moved_us + self.lifetime_s * SECOND_US + MARGIN_US - self.clock.now_us()
        if left_us > 0:
            return -(-left_us // SECOND_US)
        await self.rotate.remove(old)
        return 0

    async def retire_quietly(self) -> None:
        """Remove the secret before, if its time is over: done by every process now and then."""
        if await self.rotate.previous(SecretPurpose.JWT) is not None:
            await self.retire()
