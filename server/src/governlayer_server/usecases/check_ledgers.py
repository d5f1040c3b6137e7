"""
Check ledgers before they are written: the newest records, the head, the tree, and what was signed before.

It sees whatever contradicts itself, and whatever contradicts a checkpoint that is kept: in the database, or outside of
it, where no older copy of the database reaches. What fails is closed to writing until its operator has acted.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec import Struct

from governlayer_server.domain.errors import LedgerDamaged, NotFound, Unavailable
from governlayer_server.domain.ledger.audit import Finding, StoredLedger
from governlayer_server.domain.ledger.checkpoint import checkpoint_text
from governlayer_server.domain.ledger.tail import check_tail, first_of_tail
from governlayer_server.domain.ledger.tree import edge_from_bytes, root
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger_audit import LedgerAudit
from governlayer_server.ports.refusals import Refusal, Refusals

_AT_ONCE = 4
_MAX_FINDINGS = 20
DATABASE, OUTSIDE = "checkpoint", "checkpoint_outside"


class Kept(Struct, frozen=True, kw_only=True):
    """
    A checkpoint that was signed before.

    Attributes:
        size: how many records it covers.
        root: of the tree over them, 32 bytes.
        note: the signed note.
        place: ``DATABASE``, or ``OUTSIDE``: where no older copy of the database reaches.
    """

    size: int
    root: bytes
    note: str
    place: str


class Checked(Struct, frozen=True, kw_only=True):
    """What a check of one ledger gave: nothing but facts, no payloads."""

    ledger_id: str
    findings: Sequence[Finding]
    kept: Sequence[Kept] = ()
    present: str | None = None

    @property
    def was_set_back(self) -> bool:
        """Whether nothing is wrong but that checkpoints outside of the database contradict it: it is an older copy."""
        return bool(self.findings) and all(one.step == OUTSIDE for one in self.findings)


KeptCheckpoints = Callable[[str, str], Awaitable[Sequence[Kept]]]
"""Returns the newest binding checkpoints of a ledger (id, origin) from each place that keeps them."""
RootAt = Callable[[str, int], Awaitable[bytes]]
"""Returns the root of a ledger at a size, recomputed from what is stored (``ProveLedger.root``)."""
Progress = Callable[[int, int], None]
"""Is told how many ledgers of how many have been checked."""


class CheckLedgers(Struct, frozen=True, kw_only=True):
    """Checks ledgers and closes those that fail."""

    audit: LedgerAudit
    refusals: Refusals
    kept: KeptCheckpoints
    root_at: RootAt
    keep_evidence: Callable[[Refusal], None]
    log: Callable[..., object]
    clock: Clock

    async def __call__(self, ledger_ids: Sequence[str], progress: Progress = lambda *_: None) -> Sequence[str]:
        """
        Check the ledgers, and return the ids of those that are closed to writing now.

        Raises:
            Unavailable: a ledger could not be read, or that it is closed could not be stored. Nothing may be served.
        """
        await self.refusals.reload()
        gate, done = asyncio.Semaphore(_AT_ONCE), 0

        async def one(ledger_id: str) -> None:
            nonlocal done
            async with gate:
                await self._check(ledger_id)
            done += 1
            progress(done, len(ledger_ids))

        try:
            async with asyncio.TaskGroup() as group:
                for ledger_id in ledger_ids:
                    group.create_task(one(ledger_id))
        except BaseExceptionGroup as failures:  # one of them is enough to say
            raise failures.exceptions[0] from None
        return sorted(self.refusals.closed)

    async def _check(self, ledger_id: str) -> None:
        if ledger_id in self.refusals.closed:  # for the reasons that are stored with it
            return self._tell(ledger_id)
        checked = await self.findings(ledger_id)
        if checked.findings:
            refusal = Refusal(ledger_id=ledger_id, found_us=self.clock.now_us(), evidence=self._evidence(checked))
            self._tell(ledger_id)
            await self.refusals.refuse(refusal)
            self.keep_evidence(refusal)
        return None

    def _tell(self, ledger_id: str) -> None:
        self.log("ledger_refused", organization_id=ledger_id, component="ledger")

    async def findings(self, ledger_id: str) -> Checked:
        """
        Return what is wrong with the end of one ledger; nothing is closed.

        Raises:
            Unavailable: it could not be read.
        """
        try:
            return await self._findings(ledger_id)
        except Unavailable:
            raise
        except NotFound:
            gone = Finding(step="head", expected="a ledger", found="none")
            return Checked(ledger_id=ledger_id, findings=[gone])
        except Exception as error:  # noqa: BLE001  # what cannot even be checked is not written
            unreadable = Finding(step="head", expected="what can be read", found=type(error).__name__)
            return Checked(ledger_id=ledger_id, findings=[unreadable])

    async def _findings(self, ledger_id: str) -> Checked:
        # The checkpoints first: what another replica signs meanwhile is of a larger ledger than the one read after.
        stored = await self.audit.ledger(ledger_id)
        kept = await self.kept(ledger_id, stored.origin)
        stored = await self.audit.ledger(ledger_id)
        rows = await self.audit.rows(ledger_id, first_of_tail(stored.size), stored.size - 1)
        tail = check_tail(stored, rows, {one.size for one in kept})
        findings = list(tail.findings)
        if not findings:
            findings += await self._tree(ledger_id, stored, kept, tail.roots)
        return Checked(ledger_id=ledger_id, findings=findings, kept=kept, present=_present(stored))

    async def _tree(
        self, ledger_id: str, stored: StoredLedger, kept: Sequence[Kept], known: Mapping[int, bytes]
    ) -> Sequence[Finding]:
        head_root = root(edge_from_bytes(stored.size, stored.edge))
        try:
            if first_of_tail(stored.size) and (found := await self.root_at(ledger_id, stored.size)) != head_root:
                return [Finding(step="edge", expected=f"root {_text(found)}", found=f"root {_text(head_root)}")]
            return [one for kept_one in kept async for one in self._checkpoint(ledger_id, stored, kept_one, known)]
        except LedgerDamaged as error:
            return [Finding(step="tree", expected="tiles as the records give them", found=str(error))]

    async def _checkpoint(
        self, ledger_id: str, stored: StoredLedger, kept: Kept, known: Mapping[int, bytes]
    ) -> AsyncIterator[Finding]:
        if kept.size > stored.size:
            yield Finding(step=kept.place, expected=f"{kept.size} records or more", found=f"{stored.size} records")
            return
        here = known.get(kept.size) or await self.root_at(ledger_id, kept.size)
        if here != kept.root:
            expected = f"root {_text(kept.root)} at size {kept.size}"
            yield Finding(step=kept.place, expected=expected, found=f"root {_text(here)}")

    def _evidence(self, checked: Checked) -> str:
        facts = {
            "ledger_id": checked.ledger_id,
            "found": time_text(self.clock.now_us()),
            "findings": [msgspec.to_builtins(one) for one in checked.findings[:_MAX_FINDINGS]],
            "findings_count": len(checked.findings),
            "kept": [{"note": one.note, "place": one.place} for one in checked.kept],
            "present": checked.present,
        }
        return msgspec.json.encode(facts, order="deterministic").decode()


def _present(stored: StoredLedger) -> str | None:
    """Return what a checkpoint of the stored head would say; it is not signed, because that must not be said twice."""
    try:
        edge = edge_from_bytes(stored.size, stored.edge)
    except ValueError:
        return None
    return checkpoint_text(stored.origin, stored.size, root(edge))


def _text(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
