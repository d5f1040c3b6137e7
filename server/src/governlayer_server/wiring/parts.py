"""What every use case is made of: open connections, keys, clocks."""

from typing import Any

from msgspec import Struct

from governlayer_server.adapters.crypto.passwords import BcryptPasswords
from governlayer_server.adapters.crypto.sealed_keys import SealedKeys
from governlayer_server.adapters.crypto.signer import KeysInService
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.adapters.postgres.append_tally import AppendTally
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_keys import PostgresLedgerKeyStore
from governlayer_server.adapters.postgres.refusals import PostgresRefusals
from governlayer_server.adapters.redis.connect import AnyRedis
from governlayer_server.adapters.redis.outage import Outage
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.adapters.system.background import Background
from governlayer_server.usecases.principal_cache import PrincipalCache
from governlayer_server.wiring.keys import DeploymentKeys


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of an opened appliance."""

    database: Database
    redis: AnyRedis
    outage: Outage
    keys: DeploymentKeys
    vault: EnvelopeVault
    signer: KeysInService
    sealed_keys: SealedKeys
    ledger_keys: PostgresLedgerKeyStore
    clock: SystemClock
    entropy: SystemEntropy
    principals: PrincipalCache
    passwords: BcryptPasswords
    background: Background
    refusals: PostgresRefusals
    tally: AppendTally

    @property
    def common(self) -> dict[str, Any]:
        """What nearly every use case asks for by name."""
        return {"vault": self.vault, "clock": self.clock, "entropy": self.entropy}
