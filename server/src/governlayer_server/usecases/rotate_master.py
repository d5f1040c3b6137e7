"""
Rotate the key-encryption key: a new one comes in, everything is wrapped anew, the old one goes.

    made → known to all → in service → nothing under the old one → retired → in its place

Every step is durable before the next one begins, and is found done when the rotation is run again.
"""

from msgspec import Struct

from governlayer_server.domain.errors import CipherError, ConfigurationError, Conflict
from governlayer_server.domain.tenants import SYSTEM_TENANT
from governlayer_server.ports import Clock
from governlayer_server.ports.key_encryption import KekState, KekStore, KnownKek
from governlayer_server.ports.master_keys import MasterRing, NextMasterKey
from governlayer_server.ports.rotations import Rotation, RotationKind, RotationStore, Steps
from governlayer_server.ports.wrapped_keys import WrappedKeys
from governlayer_server.usecases.record_rotation import ACTIVATED, RETIRED, RecordRotation

_BATCH = 200


class RotateMaster(Struct, frozen=True, kw_only=True):
    """Rotates the key-encryption key; the operator's act."""

    keks: KekStore
    wrapped: WrappedKeys
    ring: MasterRing
    rotations: RotationStore
    record: RecordRotation
    clock: Clock

    async def __call__(self, following: NextMasterKey, steps: Steps) -> str:
        """
        Return the id of the key that is in service now, and under which everything is; the one before is retired.

        A rotation that was interrupted is completed, and none is begun then.

        Args:
            following: where the new key is kept.
            steps: is told each step, and waits for the other processes.

        Raises:
            Conflict: the new key was in service before, or another rotation goes on with another key.
            ConfigurationError: the new key is missing, or something does not open. The text says what mends it.
            LedgerUnavailable: the database is away; to be done again.
        """
        key = await following.read()
        if key is None:
            active = await self._require_idle()
            if any(one.kind is RotationKind.MASTER for one in await self.rotations.all()):
                await self._end()  # all but that was done
                return active.key_id
            key = await following.make()
            await steps.reached("a new key is kept")
        name = self.ring.key_id(key)
        state = await self._state(name)
        if state is None:
            await self._bring_in(key, steps)
        if state in {None, KekState.NEXT}:
            await self._activate(name, steps)
        elif state is not KekState.ACTIVE:
            raise Conflict(f"the key {name} was in service before: a rotation needs a new one")
        await self._finish(name, following, steps)
        return name

    async def _require_idle(self) -> KnownKek:
        """Return the key in service, if it is alone."""
        known = await self.keks.all()
        unfinished = [one for one in known if one.state in {KekState.NEXT, KekState.PREVIOUS}]
        if unfinished:
            names = ", ".join(f"{one.key_id} ({one.state.value})" for one in unfinished)
            raise ConfigurationError(f"a rotation has not ended ({names}), and its new key is not there: put it back")
        return next(one for one in known if one.state is KekState.ACTIVE)

    async def _state(self, name: str) -> KekState | None:
        return next((one.state for one in await self.keks.all() if one.key_id == name), None)

    async def _bring_in(self, key: bytes, steps: Steps) -> None:
        await self.rotations.begin(
            Rotation(kind=RotationKind.MASTER, owner=SYSTEM_TENANT, begun_us=self.clock.now_us())
        )
        entering = self.ring.known(key, KekState.NEXT)
        await self.keks.add(entering, self.clock.now_us())
        if await self._state(entering.key_id) is None:
            raise Conflict("another rotation is under way with another key: finish that one")
        await self.keks.count_change()
        await steps.reached(f"key {entering.key_id} is made known to all processes")

    async def _activate(self, name: str, steps: Steps) -> None:
        await steps.settle()
        await self.keks.activate(name)
        await self.keks.count_change()
        await steps.reached(f"key {name} is in service")

    async def _finish(self, name: str, following: NextMasterKey, steps: Steps) -> None:
        await self.record(RotationKind.MASTER, ACTIVATED, name)
        previous = [one for one in await self.keks.all() if one.state is KekState.PREVIOUS]
        for one in previous:
            await self._retire(one, steps)
        for one in await self.keks.all():
            if one.state is KekState.RETIRED:
                await self.record(RotationKind.MASTER, RETIRED, one.key_id)
        # Of whoever was stopped in the middle of storing a key: the one before is still at hand.
        await steps.settle()
        await self._rewrap_all(steps)
        await following.put_in_place()
        await steps.reached(f"key {name} stands in the place of the one before")
        await self._end()

    async def _end(self) -> None:
        await self.rotations.end(RotationKind.MASTER, SYSTEM_TENANT)
        await self.keks.count_change()

    async def _retire(self, old: KnownKek, steps: Steps) -> None:
        await steps.settle()
        await self.ring.reload()
        await self._rewrap_all(steps)
        await self.keks.move(old.key_id, KekState.PREVIOUS, KekState.RETIRED, self.clock.now_us())
        await self.keks.count_change()
        await steps.reached(f"nothing is under key {old.key_id} any more: it is retired")

    async def _rewrap_all(self, steps: Steps) -> None:
        done = 0
        while found := await self.wrapped.otherwise(self.ring.header, _BATCH):
            for one in found:
                try:
                    fresh = self.ring.rewrapped(one)
                except CipherError:
                    raise ConfigurationError(
                        f"{one.kind.value} {one.owner} {one.name} does not open, so the key before it is kept: "
                        "restore that row from a backup, or remove it"
                    ) from None
                await self.wrapped.replace(one, fresh)
            done += len(found)
            steps.progress(done, done)
            await steps.reached("a part is wrapped anew")
