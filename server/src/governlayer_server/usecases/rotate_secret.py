"""
Rotate a secret that all replicas share: known to all → in service → the one before is removed.

The next one is known to every process before any uses it, so that none refuses what another has just made.
"""

from typing import Protocol

from msgspec import Struct

from governlayer_server.domain.errors import Conflict
from governlayer_server.domain.tenants import SYSTEM_TENANT
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.key_encryption import KekStore
from governlayer_server.ports.rotations import Rotation, RotationKind, RotationStore, Steps
from governlayer_server.ports.secrets import SecretPurpose, SecretState, SecretStore, StoredSecret
from governlayer_server.usecases.record_rotation import ACTIVATED, RETIRED, RecordRotation

_BYTES = {SecretPurpose.PEPPER: 32, SecretPurpose.JWT: 64}
_KINDS = {SecretPurpose.PEPPER: RotationKind.PEPPER, SecretPurpose.JWT: RotationKind.JWT}


class SecretRing(Protocol):
    """The secrets of this process."""

    def wrapped_secret(
        self, purpose: SecretPurpose, number: int, secret: bytes, state: SecretState, now_us: int
    ) -> StoredSecret:
        """Return a secret as it is stored."""

    async def reload(self) -> None:
        """Read all keys and secrets anew."""


class RotateSecret(Struct, frozen=True, kw_only=True):
    """Brings secrets into service, and removes those before them."""

    secrets: SecretStore
    ring: SecretRing
    keks: KekStore
    rotations: RotationStore
    record: RecordRotation
    clock: Clock
    entropy: Entropy

    async def previous(self, purpose: SecretPurpose) -> StoredSecret | None:
        """Return the secret that a new one came after, until that is removed."""
        return await self._in(purpose, SecretState.PREVIOUS)

    async def activate(self, purpose: SecretPurpose, steps: Steps) -> StoredSecret:
        """
        Return a new secret, which is in service; the one before is accepted on.

        A rotation that was interrupted is completed.

        Raises:
            Conflict: the secret before the present one has not been removed yet.
            LedgerUnavailable: the database is away; to be done again.
        """
        if await self.previous(purpose) is not None:
            raise Conflict(f"the {purpose} before the one in service is still accepted: that has to end first")
        entering = await self._in(purpose, SecretState.NEXT)
        if entering is None:
            entering = await self._make(purpose)
        # Not before there is a next one: a rotation that has begun and has none is one that only has to be ended.
        begun = Rotation(kind=_KINDS[purpose], owner=SYSTEM_TENANT, begun_us=self.clock.now_us())
        if not await self.has_begun(purpose):
            await self.rotations.begin(begun)
            await steps.reached(f"{purpose} {entering.number} is made known to all processes")
        await steps.settle()
        await self.secrets.activate(purpose, entering.number, self.clock.now_us())
        await self.keks.count_change()
        await steps.reached(f"{purpose} {entering.number} is in service")
        await steps.settle()
        await self.ring.reload()
        return entering

    async def recorded(self, purpose: SecretPurpose) -> StoredSecret:
        """Return the secret in service, once it is on record that it is."""
        active = await self._in(purpose, SecretState.ACTIVE)
        if active is None:
            raise Conflict(f"there is no {purpose} in service")
        await self.record(_KINDS[purpose], ACTIVATED, f"{purpose}/{active.number}")
        return active

    async def remove(self, old: StoredSecret, **facts: int) -> None:
        """Remove *old*, which nothing needs any more; *facts* are recorded with it."""
        await self.record(_KINDS[old.purpose], RETIRED, f"{old.purpose}/{old.number}", **facts)
        await self.secrets.remove(old.purpose, old.number)
        await self.end(old.purpose)

    async def end(self, purpose: SecretPurpose) -> None:
        """Take note that the rotation is done."""
        await self.rotations.end(_KINDS[purpose], SYSTEM_TENANT)
        await self.keks.count_change()

    async def is_done(self, purpose: SecretPurpose) -> bool:
        """Return whether a rotation only has to be ended."""
        kept = {await self._in(purpose, state) for state in (SecretState.NEXT, SecretState.PREVIOUS)}
        return kept == {None} and await self.has_begun(purpose)

    async def has_begun(self, purpose: SecretPurpose) -> bool:
        """Return whether a rotation has begun and not ended."""
        return any(one.kind is _KINDS[purpose] for one in await self.rotations.all())

    async def _make(self, purpose: SecretPurpose) -> StoredSecret:
        active = await self._in(purpose, SecretState.ACTIVE)
        if active is None:
            raise Conflict(f"there is no {purpose} in service")
        secret = self.entropy.bytes(_BYTES[purpose])
        made = self.ring.wrapped_secret(purpose, active.number + 1, secret, SecretState.NEXT, self.clock.now_us())
        await self.secrets.add(made)
        await self.keks.count_change()
        stored = await self._in(purpose, SecretState.NEXT)
        return made if stored is None else stored

    async def _in(self, purpose: SecretPurpose, state: SecretState) -> StoredSecret | None:
        found = (one for one in await self.secrets.all() if (one.purpose, one.state) == (purpose, state))
        return next(found, None)
