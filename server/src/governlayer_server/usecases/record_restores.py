"""Own up to a restore in every ledger: a ``restore`` record names what is lost (ledger-v1 §2.2)."""

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.audit import Finding
from governlayer_server.domain.ledger.note import ParsedCheckpoint, parse_checkpoint
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.refusals import Refusal, Refusals
from governlayer_server.usecases.accepted_restores import RESTORE
from governlayer_server.usecases.check_ledgers import OUTSIDE, CheckLedgers
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.verify_note import IsSigned

_MAX_FINDINGS = 20
Notes = Callable[[str], Iterable[str]]
"""Returns the notes that are known of an origin; they may be anybody's."""


class RestoredLedger(Struct, frozen=True, kw_only=True):
    """
    A ledger after its restore.

    Attributes:
        ledger_id: which.
        size: how many records the backup had of it.
        seq: of its ``restore`` record; None where there is none, because the ledger is closed.
        lost: size of the newest checkpoint that is known of what is lost; None: none is known.
    """

    ledger_id: str
    size: int
    seq: int | None
    lost: int | None = None


class RecordRestores(Struct, frozen=True, kw_only=True):
    """Appends the records; a ledger that is damaged is closed, and gets none."""

    check: CheckLedgers
    refusals: Refusals
    is_signed: IsSigned
    clock: Clock
    entropy: Entropy

    async def __call__(self, ledger_id: str, origin: str, size: int, notes: Notes) -> RestoredLedger:
        """
        Append the record, once: a second call finds it.

        Args:
            ledger_id: which ledger.
            origin: its origin.
            size: how many records the backup has of it.
            notes: checkpoints from elsewhere.

        Raises:
            Unavailable: the ledger could not be read or written.
        """
        for one in await self.refusals.restores(ledger_id):
            if one.kept == size:
                return RestoredLedger(ledger_id=ledger_id, size=size, seq=one.kept, lost=_known(one.lost, size))
        if ledger_id in self.refusals.closed:
            return RestoredLedger(ledger_id=ledger_id, size=size, seq=None)
        checked = await self.check.findings(ledger_id)
        if checked.findings and not checked.was_set_back:
            await self.close(ledger_id, checked.findings)
            return RestoredLedger(ledger_id=ledger_id, size=size, seq=None)
        outside = [kept.note for kept in checked.kept if kept.place == OUTSIDE]
        lost = self._newest([*outside, *notes(origin)], origin, size)
        body = {"lost": None if lost is None else lost[1]}
        append = event(self.clock, self.entropy, ledger_id, SYSTEM, RESTORE, body)
        entry = await self.refusals.reopen(append, 0 if lost is None else lost[0])
        return RestoredLedger(
            ledger_id=ledger_id, size=size, seq=entry.record.seq, lost=None if lost is None else lost[0]
        )

    def _newest(self, notes: Iterable[str], origin: str, size: int) -> tuple[int, str] | None:
        """Return size and note of the largest genuine checkpoint of records that are not there."""
        read = [(checkpoint, note) for note in notes if (checkpoint := _parsed(note)) is not None]
        lost = [
            (one.size, note) for one, note in read if one.origin == origin and one.size > size and self.is_signed(one)
        ]
        return max(lost, default=None)

    async def close(self, ledger_id: str, findings: Sequence[Finding]) -> None:
        """Close a ledger that is not sound, with what was found as evidence."""
        now_us = self.clock.now_us()
        facts = {
            "ledger_id": ledger_id,
            "found": time_text(now_us),
            "findings": [msgspec.to_builtins(one) for one in findings[:_MAX_FINDINGS]],
            "findings_count": len(findings),
        }
        evidence = msgspec.json.encode(facts, order="deterministic").decode()
        await self.refusals.refuse(Refusal(ledger_id=ledger_id, found_us=now_us, evidence=evidence))


def _known(lost: int, size: int) -> int | None:
    return lost if lost > size else None


def _parsed(note: str) -> ParsedCheckpoint | None:
    try:
        return parse_checkpoint(note)
    except NoteError:
        return None
