"""Ledgers whose checkpoints are published, a real witness, and the appliance that goes there; all in one process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from governlayer_server.adapters.crypto.signer import Ed25519Signer
from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.witness.state import SqliteWitnessState
from governlayer_server.domain.errors import (
    GovernLayerError,
    Inconsistent,
    NoteError,
    NotSigned,
    OtherSize,
    UnknownOrigin,
)
from governlayer_server.domain.ledger.note import VerifierKey, parse_verifier_key
from governlayer_server.domain.ledger.tree import root
from governlayer_server.ports.anchors import WitnessAnswer
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.usecases.anchor_health import AnchorHealth, AnchorKind
from governlayer_server.usecases.cosign_checkpoints import CosignCheckpoints
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint
from governlayer_server.usecases.witness_checkpoint import WitnessCheckpoint

from tests.fakes.appliance import FakeAppliance, action, principal_of
from tests.fakes.clock import FakeClock, FakeEntropy, WallClock

STATUS = {NoteError: 400, NotSigned: 403, UnknownOrigin: 404, OtherSize: 409, Inconsistent: 422}


@dataclass
class DirectWitness:
    """``ports.anchors.Witness`` without a network, as the HTTP application answers."""

    witness: WitnessCheckpoint
    bodies: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    async def add_checkpoint(self, body: str) -> WitnessAnswer:
        self.bodies.append(body)
        self.before()
        try:
            return WitnessAnswer(status=200, text=self.witness(body.encode()))
        except OtherSize as error:
            return WitnessAnswer(status=409, text=f"{error.size}\n")
        except GovernLayerError as error:
            return WitnessAnswer(status=STATUS[type(error)], text=str(error))


class AnchoredAppliance(FakeAppliance):
    """An appliance whose checkpoints are published when a test says so."""

    organization_id: UUID

    @property
    def ledger_id(self) -> str:
        return str(self.organization_id)

    async def begin(self) -> "AnchoredAppliance":
        self.organization = await self.start()
        self.organization_id = self.organization.id
        return self

    async def decide(self, count: int, text: str = "hello") -> None:
        for _ in range(count):
            self.clock.advance(1_000_000)
            await self.govern(principal_of(self.organization), action(text))

    async def publish(self, ledger_id: str | None = None) -> Checkpoint:
        """Publish the checkpoint of the ledger as it stands."""
        ledger_id = ledger_id or self.ledger_id
        head, newest = await self.ledger.head(ledger_id), await self.checkpoints.newest(ledger_id)
        published = Checkpoint(
            ledger_id=ledger_id, size=head.size, root=root(head.edge), note=sign_checkpoint(self.signer, head),
            published_us=self.clock.now_us(), extends=newest.size if newest else 0,
        )  # fmt: skip
        assert await self.checkpoints.add(published)
        return published

    def witness(self, directory: Path, clock: FakeClock | None = None) -> DirectWitness:
        """A witness that trusts this appliance's key; its memory is in *directory*."""
        log = parse_verifier_key(self.read_ledger.key)
        return DirectWitness(
            WitnessCheckpoint(
                logs=[log], state=SqliteWitnessState(directory / "witness.sqlite"),
                signer=Ed25519Signer("witness.example.com", b"w" * 32), verify=verify_ed25519, clock=clock or self.clock,
            )
        )  # fmt: skip

    def health(self, kind: AnchorKind = AnchorKind.WITNESS) -> tuple[AnchorHealth, list[str]]:
        alarms: list[str] = []
        return AnchorHealth(kind, "w1", WallClock(self.clock), alarms.append), alarms

    def cosign(self, witness: DirectWitness, health: AnchorHealth, key: VerifierKey | None = None) -> CosignCheckpoints:
        return CosignCheckpoints(
            key=key or witness.witness.key, witness=witness, anchors=self.anchors, checkpoints=self.checkpoints,
            consistency=ProveLedger(ledger=self.ledger).consistency, verify=verify_ed25519, clock=self.clock,
            health=health,
        )  # fmt: skip


async def appliance(seed: bytes = b"tests") -> AnchoredAppliance:
    """An appliance with an organization; the same one at each call, until its histories part."""
    return await AnchoredAppliance(clock=FakeClock(), entropy=FakeEntropy(seed)).begin()
