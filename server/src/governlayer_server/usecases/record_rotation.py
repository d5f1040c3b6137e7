"""Record what happens to keys and secrets that encrypt, in the deployment's own ledger: once, however often asked."""

from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ids import uuid8
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.record_type import RecordType
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.domain.times import DAY_US
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import AnswerExists, Append, LedgerStore, Remember
from governlayer_server.ports.rotations import RotationKind

RECORD: RecordType = "secret.rotated"
ACTIVATED, RETIRED = "activated", "retired"


class RecordRotation(Struct, frozen=True, kw_only=True):
    """Records rotations. A record that stands is found again by its id, which is made of what it says."""

    ledger: LedgerStore
    clock: Clock

    async def __call__(self, kind: RotationKind, event: str, key: str, **facts: int | str) -> None:
        """
        Record that *key* was activated or retired, unless that is recorded.

        Args:
            kind: of the key.
            event: ``activated`` or ``retired``.
            key: names the key and tells nothing of it: an id, or a number with its owner.
            facts: what else there is to tell.

        Raises:
            LedgerUnavailable: the record could not be made durable; to be done again.
            LedgerRefused: the deployment's ledger is closed.
        """
        name = f"{RECORD}/{kind}/{event}/{key}"
        try:
            await self.ledger.place_of(SYSTEM_LEDGER, uuid8(name))
        except NotFound:
            await self._append(name, {"event": event, "key": key, "kind": kind.value, **facts})

    async def _append(self, name: str, body: dict[str, int | str]) -> None:
        digest = sha256(name.encode()).digest()
        # Of two that come here at once, the second is told by the kept answer.
        once = Remember(key=digest, body=digest, sealed=b"", expires_us=self.clock.now_us() + DAY_US)
        draft = Draft(type=RECORD, actor=SYSTEM, body=body)
        try:
            await self.ledger.append(Append(ledger_id=SYSTEM_LEDGER, record_id=uuid8(name), draft=draft, remember=once))
        except AnswerExists:
            return
