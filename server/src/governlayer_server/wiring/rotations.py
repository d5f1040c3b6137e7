"""The rotations of an opened appliance."""

from msgspec import Struct

from governlayer_server.adapters.crypto.access_tokens import MAX_LIFETIME_S
from governlayer_server.adapters.postgres.pepper_uses import PostgresPepperUses
from governlayer_server.adapters.postgres.rotations import PostgresRotations
from governlayer_server.adapters.postgres.sealed_rows import TABLES, PostgresSealedTable
from governlayer_server.adapters.postgres.wrapped_keys import PostgresWrappedKeys
from governlayer_server.ports.accounts import AccountStore
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.ports.rotations import RotationStore
from governlayer_server.settings import Settings
from governlayer_server.usecases.record_rotation import RecordRotation
from governlayer_server.usecases.rotate_data import RotateData
from governlayer_server.usecases.rotate_jwt import RotateJwt
from governlayer_server.usecases.rotate_master import RotateMaster
from governlayer_server.usecases.rotate_pepper import RotatePepper
from governlayer_server.usecases.rotate_secret import RotateSecret
from governlayer_server.wiring.parts import Parts


class Rotations(Struct, frozen=True, kw_only=True):
    """All rotations, and which have begun."""

    begun: RotationStore
    master: RotateMaster
    data: RotateData
    jwt: RotateJwt
    pepper: RotatePepper
    unfinished: "Unfinished"


class Unfinished:
    """How many rotations have begun and not ended: ``look`` is called now and then."""

    def __init__(self, begun: RotationStore) -> None:
        self._begun = begun
        self.count = 0

    async def look(self) -> None:
        """Count them."""
        self.count = len(await self._begun.all())


def rotations_of(settings: Settings, parts: Parts, ledger: LedgerStore, accounts: AccountStore) -> Rotations:
    """Return the rotations over *parts*, which record in the deployment's own ledger."""
    begun, keys = PostgresRotations(parts.database), parts.keys
    record = RecordRotation(ledger=ledger, clock=parts.clock)
    secrets = RotateSecret(
        secrets=keys.stores.secrets,
        ring=keys,
        keks=keys.stores.keks,
        rotations=begun,
        record=record,
        clock=parts.clock,
        entropy=parts.entropy,
    )
    return Rotations(
        begun=begun,
        unfinished=Unfinished(begun),
        master=RotateMaster(
            keks=keys.stores.keks,
            wrapped=PostgresWrappedKeys(parts.database),
            ring=keys,
            rotations=begun,
            record=record,
            clock=parts.clock,
        ),
        data=RotateData(
            data_keys=keys.stores.data_keys,
            tables=[PostgresSealedTable(parts.database, table) for table in TABLES],
            accounts=accounts,
            vault=parts.vault,
            keks=keys.stores.keks,
            rotations=begun,
            record=record,
            clock=parts.clock,
        ),
        jwt=RotateJwt(rotate=secrets, clock=parts.clock, lifetime_s=MAX_LIFETIME_S),
        pepper=RotatePepper(
            rotate=secrets,
            uses=PostgresPepperUses(parts.database),
            accounts=accounts,
            vault=parts.vault,
            passwords=parts.passwords,
            clock=parts.clock,
            idle_us=settings.identity.sessions.idle_us,
        ),
    )
