"""Have published checkpoints cosigned by a witness on another machine (c2sp.org/tlog-witness)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from msgspec import Struct

from governlayer_server.domain.errors import Inconsistent, NoteError, Unavailable
from governlayer_server.domain.ledger.cosignature import Cosignature, cosignature_line
from governlayer_server.domain.ledger.note import VerifierKey, parse_checkpoint, parse_signatures, parse_size
from governlayer_server.domain.ledger.witness import add_checkpoint_body
from governlayer_server.domain.times import MINUTE_US, SECOND_US
from governlayer_server.ports import Clock
from governlayer_server.ports.anchors import AnchorStore, StoredCosignature, Verify, Witness, WitnessAnswer
from governlayer_server.ports.checkpoints import Checkpoint, CheckpointStore
from governlayer_server.usecases.anchor_health import AnchorHealth
from governlayer_server.usecases.verify_note import verified_cosignature

_AT_ONCE = 100
_TRIES = 3
_SKEW_US = 5 * MINUTE_US
# Ledger, from size, to size.
Consistency = Callable[[str, int, int], Awaitable[tuple[bytes, ...]]]


class CosignCheckpoints(Struct, frozen=True, kw_only=True):
    """Takes the newest checkpoint of each ledger to one witness; one request at a time."""

    key: VerifierKey
    witness: Witness
    anchors: AnchorStore
    checkpoints: CheckpointStore
    consistency: Consistency
    verify: Verify
    clock: Clock
    health: AnchorHealth

    async def __call__(self) -> None:
        """
        Do one turn: all ledgers that wait for this witness, until it fails to answer.

        Raises:
            LedgerUnavailable: the database is away.
        """
        if self.health.rests():
            return
        await self.health.refresh()
        for ledger_id in await self.anchors.to_cosign(self.key.identity, self.health.resting(), _AT_ONCE):
            await self.health.attempt(ledger_id, self._cosign(ledger_id))
            if self.health.rests():
                return

    async def _cosign(self, ledger_id: str) -> int:
        """Return the time of the cosignature of the newest checkpoint, microseconds, once it is kept."""
        old = await self.anchors.cosigned_size(ledger_id, self.key.identity)
        for _ in range(_TRIES):
            # After the witness has told its size: another replica may have been there with a newer checkpoint.
            newest = await self.checkpoints.newest(ledger_id)
            if newest is None or old > newest.size:
                raise Inconsistent("the witness cosigned a size of this ledger that was never published here")
            answer = await self._ask(newest, old)
            if answer.status != HTTPStatus.CONFLICT:
                return await self._keep(newest, answer)
            old = parse_size(answer.text.removesuffix("\n"))
        raise NoteError("the witness tells another size each time")

    async def _ask(self, newest: Checkpoint, old: int) -> WitnessAnswer:
        grown = 0 < old < newest.size
        proof = await self.consistency(newest.ledger_id, old, newest.size) if grown else ()
        return await self.witness.add_checkpoint(add_checkpoint_body(old, proof, newest.note))

    async def _keep(self, newest: Checkpoint, answer: WitnessAnswer) -> int:
        cosignature = self._verified(newest, answer)
        time_us = cosignature.time_s * SECOND_US
        await self.anchors.add_cosignature(
            StoredCosignature(
                ledger_id=newest.ledger_id,
                size=newest.size,
                witness=self.key.identity,
                line=str(cosignature_line(self.key, cosignature)),
                time_us=time_us,
            )
        )
        return time_us

    def _verified(self, newest: Checkpoint, answer: WitnessAnswer) -> Cosignature:
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise Inconsistent("the witness has seen another history of this ledger")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Unavailable("the witness cannot answer now")
        if answer.status != HTTPStatus.OK:
            raise NoteError("the witness refused the checkpoint")
        text, lines = parse_checkpoint(newest.note).text, parse_signatures(answer.text)
        found = verified_cosignature(text, lines, self.key, self.verify)
        if abs(found.time_s * SECOND_US - self.clock.now_us()) > _SKEW_US:
            raise NoteError("the clock of the witness is more than 5 minutes from the one here")
        return found
