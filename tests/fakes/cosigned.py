"""Published checkpoints that a witness has cosigned."""

import base64
from uuid import UUID

from governlayer_server.ports.anchors import StoredCosignature
from governlayer_server.ports.checkpoints import Checkpoint
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint

from tests.fakes.appliance import FakeAppliance

LINE = f"\N{EM DASH} witness.example {base64.b64encode(bytes(76)).decode()}\n"


async def publish_cosigned(appliance: FakeAppliance, organization_id: UUID, *sizes: int) -> None:
    """Publish the checkpoints of *sizes*, each with a cosignature by a key that nobody trusts."""
    ledger_id = str(organization_id)
    for extends, size in zip((0, *sizes), sizes, strict=False):
        note = sign_checkpoint(appliance.signer, await appliance.prove_ledger.head(ledger_id, size))
        root = await appliance.prove_ledger.root(ledger_id, size)
        published = Checkpoint(ledger_id=ledger_id, size=size, root=root, note=note, published_us=1, extends=extends)
        assert await appliance.checkpoints.add(published)
        await appliance.anchors.add_cosignature(
            StoredCosignature(ledger_id=ledger_id, size=size, witness="witness.example", line=LINE, time_us=1)
        )
