"""Read checkpoints with what witnesses said of them."""

from msgspec import Struct

from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.ports.anchors import AnchorStore
from governlayer_server.ports.checkpoints import CheckpointStore


class ReadCosigned(Struct, frozen=True, kw_only=True):
    """Adds cosignatures to notes: to any note with the same text, for that is what witnesses sign."""

    anchors: AnchorStore
    checkpoints: CheckpointStore

    async def with_cosignatures(self, ledger_id: str, note: str) -> str:
        """Return *note*, a checkpoint of the ledger, with the cosignatures of the published one that says the same."""
        given = parse_checkpoint(note)
        published = await self.checkpoints.at(ledger_id, given.size)
        if published is None or parse_checkpoint(published.note).text != given.text:
            return note
        return note + "".join(await self.anchors.cosignatures(ledger_id, given.size))

    async def newest(self, ledger_id: str, size: int) -> str | None:
        """Return the largest published checkpoint of at most *size* that was cosigned, with its cosignatures."""
        cosigned = await self.anchors.newest_cosigned(ledger_id, size)
        published = await self.checkpoints.at(ledger_id, cosigned)
        if published is None:
            return None
        return published.note + "".join(await self.anchors.cosignatures(ledger_id, cosigned))
