"""Read the time stamps of a ledger's checkpoints."""

from collections.abc import AsyncIterator
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.ports.anchors import AnchorStore
from governlayer_server.ports.checkpoints import CheckpointStore

_CHUNK = 100


class StampedCheckpoint(Struct, frozen=True, kw_only=True):
    """A time stamp (RFC 3161 answer, DER), the text that it stamps, and the whole note."""

    size: int
    text: str
    note: str
    token: bytes


class ReadTimestamps(Struct, frozen=True, kw_only=True):
    """Reads the time stamps of one ledger."""

    anchors: AnchorStore
    checkpoints: CheckpointStore

    async def __call__(self, organization_id: UUID | None) -> AsyncIterator[StampedCheckpoint]:
        """Yield all of them, smallest size first."""
        ledger_id, reached = tenant_name(organization_id), 0
        while chunk := await self.anchors.timestamps(ledger_id, reached, _CHUNK):
            for one in chunk:
                reached = one.size
                published = await self.checkpoints.at(ledger_id, one.size)
                if published is not None:
                    text = parse_checkpoint(published.note).text
                    yield StampedCheckpoint(size=one.size, text=text, note=published.note, token=one.token)
