"""
Check everything that is stored of a ledger: records, columns, tree, checkpoints, payloads.

One pass over the records, a few hundred at a time: memory does not grow with the ledger.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.audit import (
    Facts,
    Finding,
    Findings,
    StoredLedger,
    StoredRow,
    after,
    canonical_findings,
    column_findings,
    facts_if_readable,
    hash_findings,
    head_findings,
    place_findings,
)
from governlayer_server.domain.ledger.chain import empty_head
from governlayer_server.domain.ledger.erasure import Erased
from governlayer_server.domain.ledger.tree import edge_bytes, leaf_hash
from governlayer_server.ports import Vault
from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.ports.ledger_audit import LedgerAudit
from governlayer_server.ports.tiles import TileStore
from governlayer_server.usecases.fsck_payloads import FsckPayloads
from governlayer_server.usecases.fsck_tree import FsckCheckpoints, FsckTiles, beyond
from governlayer_server.usecases.verify_note import IsSigned

_CHUNK = 512
Progress = Callable[[int, int], None]
"""Is told how many records of how many have been checked."""


class Fsck(Struct, frozen=True, kw_only=True):
    """
    What a ledger was found to be.

    Attributes:
        ledger_id: which.
        origin: of the ledger; None where there is no such ledger.
        checked: how many records, payloads, tiles and checkpoints were compared.
        findings: the first hundred of each step.
        counts: all findings, by step.
    """

    ledger_id: str
    origin: str | None
    checked: Mapping[str, int]
    findings: Sequence[Finding]
    counts: Mapping[str, int]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.counts


class FsckLedger(Struct, frozen=True, kw_only=True):
    """Checks ledgers; changes nothing, and records nothing."""

    audit: LedgerAudit
    tiles: TileStore
    checkpoints: CheckpointStore
    vault: Vault
    is_signed: IsSigned

    async def __call__(
        self, ledger_id: str, organization_id: UUID | None, progress: Progress = lambda *_: None
    ) -> Fsck:
        """
        Return what is wrong with the ledger as it stands; records that are added meanwhile are not looked at.

        Args:
            ledger_id: which ledger.
            organization_id: whose; None for the deployment's own.
            progress: told now and then.

        Raises:
            Unavailable: it could not be read to its end; nothing is known of it.
        """
        try:
            stored = await self.audit.ledger(ledger_id)
        except NotFound:
            gone = Findings()
            gone.add([Finding(step="head", expected="a ledger", found="none")])
            return _result(ledger_id, None, gone, {})
        payloads = FsckPayloads(
            audit=self.audit, vault=self.vault, ledger_id=ledger_id, organization_id=organization_id, erased=Erased()
        )
        return await _Pass(self, ledger_id, stored, payloads).run(progress)


class _Pass:
    """One pass over one ledger."""

    def __init__(self, parts: FsckLedger, ledger_id: str, stored: StoredLedger, payloads: FsckPayloads) -> None:
        self._parts = parts
        self._ledger_id = ledger_id
        self._stored = stored
        self._payloads = payloads
        self._tiles = FsckTiles(parts.tiles, ledger_id)
        self._checkpoints = FsckCheckpoints(parts.checkpoints, ledger_id, parts.is_signed)
        self._reached = empty_head(stored.origin)
        self._next_seq = 0
        self._opened = 0
        self._found = Findings()

    async def run(self, progress: Progress) -> Fsck:
        size = self._stored.size
        await self._payloads.read_erasures(size)
        await self._tiles.begin()
        await self._checkpoints.begin()
        for first in range(0, size, _CHUNK):
            last = min(first + _CHUNK, size) - 1
            rows = await self._parts.audit.rows(self._ledger_id, first, last)
            read = [one for row in rows async for one in self._record(row)]
            found, opened = await self._payloads.findings(read)
            self._found.add(found)
            self._opened += opened
            progress(last + 1, size)
        await self._end()
        return _result(self._ledger_id, self._stored.origin, self._found, self._checked())

    async def _record(self, row: StoredRow) -> AsyncIterator[tuple[StoredRow, Facts]]:
        facts = facts_if_readable(row)
        self._found.add(canonical_findings(row.seq, row.canonical))
        self._found.add(hash_findings(row))
        if facts is not None:
            self._found.add(place_findings(row, facts, self._reached, self._next_seq))
            self._found.add(column_findings(row, facts))
            yield row, facts
        self._reached = after(self._reached, row, facts)
        self._next_seq = row.seq + 1
        self._found.add(await self._tiles.add(leaf_hash(row.canonical)))
        self._found.add(await self._checkpoints.add(self._reached))

    async def _end(self) -> None:
        self._found.add(head_findings(self._stored, self._reached))
        self._found.add(self._edge())
        self._found.add(await self._tiles.end())
        self._found.add(await self._payloads.outside())
        tiled, newest = (
            await self._parts.tiles.tiled(self._ledger_id),
            await self._parts.checkpoints.newest(self._ledger_id),
        )
        self._found.add(beyond(tiled, newest, (await self._parts.audit.ledger(self._ledger_id)).size))

    def _edge(self) -> Iterator[Finding]:
        given = edge_bytes(self._reached.edge)
        if given != self._stored.edge:
            yield Finding(step="edge", expected=given.hex(), found=self._stored.edge.hex())

    def _checked(self) -> Mapping[str, int]:
        return {
            "checkpoints": self._checkpoints.compared,
            "payloads": self._opened,
            "records": self._reached.size,
            "tiles": self._tiles.compared,
        }


def _result(ledger_id: str, origin: str | None, found: Findings, checked: Mapping[str, int]) -> Fsck:
    return Fsck(
        ledger_id=ledger_id, origin=origin, checked=checked, findings=tuple(found.first), counts=dict(found.counts)
    )
