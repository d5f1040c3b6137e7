"""Secrets and rotations in memory: they pass the suites that the real stores pass."""

from collections.abc import Sequence

from governlayer_server.ports.rotations import Rotation, RotationKind
from governlayer_server.ports.secrets import SecretPurpose, SecretState, StoredSecret
from msgspec.structs import replace


class MemorySecrets:
    """``ports.secrets.SecretStore``."""

    def __init__(self) -> None:
        self._kept: dict[tuple[SecretPurpose, int], StoredSecret] = {}

    async def all(self) -> Sequence[StoredSecret]:
        return sorted(self._kept.values(), key=lambda one: (one.purpose.value, one.number))

    async def add(self, secret: StoredSecret) -> None:
        if self._in(secret.purpose, secret.state) is None:
            self._kept.setdefault((secret.purpose, secret.number), secret)

    async def activate(self, purpose: SecretPurpose, number: int, now_us: int) -> bool:
        entering, leaving = self._in(purpose, SecretState.NEXT), self._in(purpose, SecretState.ACTIVE)
        if entering is None or entering.number != number:
            return False
        for one, state in ((leaving, SecretState.PREVIOUS), (entering, SecretState.ACTIVE)):
            if one is not None:
                self._kept[purpose, one.number] = replace(one, state=state, moved_us=now_us)
        return True

    async def remove(self, purpose: SecretPurpose, number: int) -> bool:
        leaving = self._in(purpose, SecretState.PREVIOUS)
        return leaving is not None and leaving.number == number and bool(self._kept.pop((purpose, number)))

    def _in(self, purpose: SecretPurpose, state: SecretState) -> StoredSecret | None:
        found = (one for one in self._kept.values() if (one.purpose, one.state) == (purpose, state))
        return next(found, None)


class MemoryRotations:
    """``ports.rotations.RotationStore``."""

    def __init__(self) -> None:
        self._begun: dict[tuple[RotationKind, str], Rotation] = {}

    async def all(self) -> Sequence[Rotation]:
        return sorted(self._begun.values(), key=lambda one: (one.begun_us, one.kind.value, one.owner))

    async def begin(self, rotation: Rotation) -> None:
        self._begun.setdefault((rotation.kind, rotation.owner), rotation)

    async def place(self, kind: RotationKind, owner: str, position: str) -> None:
        if found := self._begun.get((kind, owner)):
            self._begun[kind, owner] = replace(found, position=position)

    async def end(self, kind: RotationKind, owner: str) -> None:
        self._begun.pop((kind, owner), None)
