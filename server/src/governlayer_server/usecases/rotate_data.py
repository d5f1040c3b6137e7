"""
Rotate the data key of a tenant: a new one comes into service, everything is encrypted anew, the old one is destroyed.

It goes on beside the requests, in small pieces with pauses. What is written, changed or erased meanwhile stays so:
only what is still the same ciphertext is replaced. Interrupted, it goes on where it was.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import CipherError, ConfigurationError
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock, Place, RotatingVault
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.data_keys import DataKeyState, DataKeyStore
from governlayer_server.ports.key_encryption import KekStore
from governlayer_server.ports.rotations import Rotation, RotationKind, RotationStore, Steps
from governlayer_server.ports.sealed_rows import SealedRow, SealedTable
from governlayer_server.usecases.record_rotation import ACTIVATED, RETIRED, RecordRotation
from governlayer_server.usecases.renew_users import renew_users

_BATCH = 100
_ROUNDS = 20
_PLANNED = "planned"


class RotateData(Struct, frozen=True, kw_only=True):
    """Rotates data keys; the operator's act."""

    data_keys: DataKeyStore
    tables: Sequence[SealedTable]
    accounts: AccountStore
    vault: RotatingVault
    keks: KekStore
    rotations: RotationStore
    record: RecordRotation
    clock: Clock

    async def plan(self, organization_ids: Sequence[UUID]) -> Sequence[UUID]:
        """Return whose data keys are to be rotated: these, or those left over from a plan that was interrupted."""
        left = await self._begun()
        if not left:
            for one in organization_ids:
                await self._begin(tenant_name(one), _PLANNED)
            left = await self._begun()
        return [UUID(owner) for owner in left]

    async def _begun(self) -> Mapping[str, str]:
        """Return the tenants whose rotation is planned or has begun, and how far each has come."""
        return {one.owner: one.position for one in await self.rotations.all() if one.kind is RotationKind.DATA}

    async def _begin(self, owner: str, position: str = "") -> None:
        begun_us = self.clock.now_us()
        await self.rotations.begin(Rotation(kind=RotationKind.DATA, owner=owner, position=position, begun_us=begun_us))

    async def __call__(self, organization_id: UUID, steps: Steps) -> int | None:
        """
        Return the number of the data key that is in service now, and that everything is under; None: there is none.

        A rotation that was interrupted is completed, and none is begun then.

        Args:
            organization_id: whose key it is.
            steps: is told each step, and waits for the other processes.

        Raises:
            ConfigurationError: something does not open, so that the old key is kept. The text says what.
            LedgerUnavailable: the database is away; to be done again.
        """
        owner = tenant_name(organization_id)
        has_begun = (await self._begun()).get(owner, _PLANNED) != _PLANNED
        if not has_begun and not await self._numbers(owner, DataKeyState.RETIRING):
            if not await self._numbers(owner, DataKeyState.ACTIVE):
                await self.rotations.end(RotationKind.DATA, owner)
                return None
            await self.vault.new_data_key(organization_id)
            await self.keks.count_change()
            await steps.reached(f"{owner}: a new data key is in service")
        active = (await self._numbers(owner, DataKeyState.ACTIVE))[0]
        if not has_begun:
            await self._begin(owner)
            await self.rotations.place(RotationKind.DATA, owner, "")
        await self.record(RotationKind.DATA, ACTIVATED, f"{owner}/{active}")
        for number in await self._numbers(owner, DataKeyState.RETIRING):
            await self._retire(organization_id, active, number, steps)
            await self.record(RotationKind.DATA, RETIRED, f"{owner}/{number}")
        await self.rotations.end(RotationKind.DATA, owner)
        return active

    async def _numbers(self, owner: str, state: DataKeyState) -> Sequence[int]:
        return [one.number for one in await self.data_keys.data_keys(owner) if one.state is state]

    async def _retire(self, organization_id: UUID, active: int, number: int, steps: Steps) -> None:
        owner = tenant_name(organization_id)
        await steps.settle()
        self.vault.forget_keys()
        for _ in range(_ROUNDS):
            await self._renew_all(organization_id, active, steps)
            # Who has read something under the old key opens it before that is gone.
            await steps.settle()
            if await self.data_keys.destroy_data_key(owner, number):
                await self.keks.count_change()
                self.vault.forget_keys()
                await steps.reached(f"{owner}: nothing is under data key {number} any more: it is destroyed")
                return
            await self.rotations.place(RotationKind.DATA, owner, "")
        raise ConfigurationError(
            f"something of {owner} under data key {number} does not open, so the key is kept: "
            f"governlayer ledger fsck --org {owner} says what it is"
        )

    async def _renew_all(self, organization_id: UUID, active: int, steps: Steps) -> None:
        owner = tenant_name(organization_id)
        reached = await self._position(owner)
        names = [one.table for one in self.tables]
        begin = names.index(reached[0]) if reached[0] in names else 0
        for at, table in enumerate(self.tables[begin:]):
            await self._renew_table(organization_id, active, table, reached[1] if at == 0 else "", steps)
        await renew_users(self.accounts, self.vault, organization_id)

    async def _position(self, owner: str) -> tuple[str, str]:
        """Return the table and the place in it where an interrupted round goes on."""
        table, _, after = (await self._begun()).get(owner, "").partition(" ")
        return table, after

    async def _renew_table(
        self, organization_id: UUID, active: int, table: SealedTable, after: str, steps: Steps
    ) -> None:
        owner, done = tenant_name(organization_id), 0
        while page := await table.page(owner, active, after, _BATCH):
            begun_us = self.clock.monotonic_us()
            await self.vault.ready_for(organization_id, [row.sealed for row in page])
            fresh = [(row, sealed) for row in page if (sealed := await self._resealed(organization_id, table, row))]
            await table.replace(owner, fresh)
            after, done = page[-1].position, done + len(page)
            await self.rotations.place(RotationKind.DATA, owner, f"{table.table} {after}")
            steps.progress(done, done)
            await steps.reached(f"{owner}: {done} of {table.table} are encrypted anew")
            # As long again for those who decide.
            await steps.rest((self.clock.monotonic_us() - begun_us) / SECOND_US)

    async def _resealed(self, organization_id: UUID, table: SealedTable, row: SealedRow) -> bytes | None:
        place = Place(organization_id=organization_id, table=table.table, column="sealed", row=row.row)
        try:
            return await self.vault.reseal(place, row.sealed)
        except CipherError:
            return None  # it is being erased, or it is damaged: then the key is kept
