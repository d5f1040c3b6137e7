"""
Verify the ledger for its own organization: recompute what is stored, piece by piece, against the ledger's head.

A piece begins where the tree of the head says that the ledger stood, and must lead to where it says so again; so
pieces that cover a ledger verify it, and no call works for long. Who does not trust the appliance runs gl-verify.
"""

import base64
from collections.abc import Iterator, Sequence
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest, LedgerDamaged, LedgerFormatError
from governlayer_server.domain.ledger.audit import (
    Finding,
    StoredRow,
    after,
    canonical_findings,
    column_findings,
    facts_of,
    hash_findings,
    place_findings,
)
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.tiles import WIDTH, Tile, subtree_root
from governlayer_server.domain.ledger.tree import HASH_BYTES, leaf_hash, root
from governlayer_server.ports import Clock
from governlayer_server.ports.checkpoints import CheckpointStore
from governlayer_server.ports.ledger_audit import LedgerAudit
from governlayer_server.usecases.prove_ledger import ProveLedger

BUDGET_US = 3_000_000


class Checked(Struct, frozen=True, kw_only=True):
    """How much was compared."""

    records: int
    tiles: int
    checkpoints: int


class Verified(Struct, frozen=True, kw_only=True):
    """
    What a piece of a ledger was found to be.

    ``size`` is how many records the ledger has from 0 to the end of the piece; ``root`` (base64) and ``head_hash`` (64
    hex digits) are those of that ledger, recomputed. ``next`` is the seq to go on with, or null: the piece is done.
    ``first_bad`` is the first thing that is wrong; the piece ends there.
    """

    verified: bool
    first: int
    size: int
    root: str
    head_hash: str
    checked: Checked
    first_bad: Finding | None
    next: int | None
    duration_ms: int


class VerifyLedger(Struct, frozen=True, kw_only=True):
    """Verifies ledgers. ``budget_us``: after so long a call ends, and says where to go on."""

    audit: LedgerAudit
    prove: ProveLedger
    checkpoints: CheckpointStore
    clock: Clock
    budget_us: int = BUDGET_US

    async def __call__(self, organization_id: UUID, first: int = 0, last: int | None = None) -> Verified:
        """
        Recompute the records *first* to *last*, and, where the ledger ends with them, its newest published checkpoint.

        Compared are form, place, links, stored columns, tree and tiles.

        Args:
            organization_id: whose ledger.
            first: from 0.
            last: inclusive; None for the newest record.

        Raises:
            InvalidRequest: a value is out of range.
            LedgerUnavailable: the database is away; nothing is known.
        """
        ledger_id, began_us = str(organization_id), self.clock.now_us()
        stored = await self.audit.ledger(ledger_id)
        size = stored.size
        end = size if last is None else last + 1
        _require_range(first, end, size)
        piece = _Piece(self, ledger_id, empty_head(stored.origin))
        try:
            await piece.run(first, end, began_us + self.budget_us)
            if piece.reached.size == size:
                await piece.compare_checkpoint()
        except _Found as found:
            piece.bad = found.finding
        except LedgerDamaged as error:
            piece.bad = Finding(step="tree", expected="what leads to the ledger's head", found=str(error))
        return piece.verified(first, end, (self.clock.now_us() - began_us) // 1_000)


class _Found(Exception):  # the end of a piece, not a failure
    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.step)
        self.finding = finding


class _Piece:
    """One call's work: where it has come to, and how much it has compared."""

    def __init__(self, parts: VerifyLedger, ledger_id: str, start: Head) -> None:
        self._parts = parts
        self._ledger_id = ledger_id
        self._records = self._tiles = self._checkpoints = 0
        self.reached = start
        self.bad: Finding | None = None

    async def run(self, first: int, end: int, until_us: int) -> None:
        """Check the records from *first* to before *end*, or as far as the time admits; the first chunk always."""
        self.reached = await self._parts.prove.head(self._ledger_id, first)
        while self.reached.size < end:
            await self._chunk(end)
            if self._parts.clock.now_us() >= until_us:
                break
        expected = await self._parts.prove.head(self._ledger_id, self.reached.size)
        if (expected.edge, expected.hash) != (self.reached.edge, self.reached.hash):
            raise _Found(_tree_finding(expected, self.reached))

    async def _chunk(self, end: int) -> None:
        """Check the records of one tile of level 0, or the part of them that is asked for."""
        start = self.reached.size
        n = start // WIDTH
        stop = min(end, (n + 1) * WIDTH)
        rows = await self._parts.audit.rows(self._ledger_id, start, stop - 1)
        for row in rows:
            for finding in _findings(row, self.reached):
                raise _Found(finding)
            self.reached = after(self.reached, row, facts_of(row.canonical))
            self._records += 1
        if self.reached.size != stop:
            raise _Found(Finding(step="sequence", seq=self.reached.size, expected="a record", found="none"))
        if (start, stop) == (n * WIDTH, (n + 1) * WIDTH):
            await self._compare_tile(n, rows)

    async def _compare_tile(self, n: int, rows: Sequence[StoredRow]) -> None:
        given = b"".join(leaf_hash(row.canonical) for row in rows)
        above = Tile(1, n // WIDTH)
        stored = await self._parts.prove.ledger.tiles(self._ledger_id, [Tile(0, n), above])
        start = n % WIDTH * HASH_BYTES
        places = ((Tile(0, n), 0, given), (above, start, subtree_root(given)))
        for tile, offset, expected in places:
            found = stored.get(tile, b"")[offset : offset + len(expected)]
            # What is not stored yet is no fault: it is made out of the records when it is asked for.
            if found and found != expected:
                place = f"tile {tile.level}/{tile.n} as the records give it"
                raise _Found(Finding(step="tile", seq=n * WIDTH, expected=place, found="another"))
            self._tiles += bool(found)

    async def compare_checkpoint(self) -> None:
        """Check that the newest published checkpoint is one of this ledger."""
        newest = await self._parts.checkpoints.newest(self._ledger_id)
        if newest is None:
            return
        if newest.size > (size := (await self._parts.prove.ledger.head(self._ledger_id)).size):
            raise _Found(Finding(step="checkpoint", expected=f"{newest.size} records or more", found=f"{size} records"))
        here = await self._parts.prove.root(self._ledger_id, newest.size)
        if newest.root != here:
            expected = f"root {newest.root.hex()} at size {newest.size}"
            raise _Found(Finding(step="checkpoint", expected=expected, found=f"root {here.hex()}"))
        self._checkpoints += 1

    def verified(self, first: int, end: int, duration_ms: int) -> Verified:
        """Return what came of it."""
        reached = self.reached
        return Verified(
            verified=self.bad is None,
            first=first,
            size=reached.size,
            root=base64.b64encode(root(reached.edge)).decode(),
            head_hash=reached.hash.hex(),
            checked=Checked(records=self._records, tiles=self._tiles, checkpoints=self._checkpoints),
            first_bad=self.bad,
            next=reached.size if self.bad is None and reached.size < end else None,
            duration_ms=duration_ms,
        )


def _findings(row: StoredRow, before: Head) -> Iterator[Finding]:
    yield from canonical_findings(row.seq, row.canonical)
    yield from hash_findings(row)
    try:
        facts = facts_of(row.canonical)
    except LedgerFormatError as error:
        yield Finding(step="canonical", seq=row.seq, expected="a record", found=str(error))
        return
    yield from place_findings(row, facts, before, before.size)
    yield from column_findings(row, facts)


def _tree_finding(expected: Head, found: Head) -> Finding:
    text = f"root {root(expected.edge).hex()} at size {found.size}"
    return Finding(step="tree", expected=text, found=f"root {root(found.edge).hex()}")


def _require_range(first: int, end: int, size: int) -> None:
    faults = []
    if not 0 <= end <= size:
        faults.append(Fault("/last", f"must be less than the ledger's size, {size}"))
    elif not 0 <= first <= end:
        faults.append(Fault("/first", f"must be 0 to {end}"))
    if faults:
        raise InvalidRequest("the range is not one of this ledger", faults)
