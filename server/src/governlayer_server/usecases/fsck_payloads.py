"""Check payloads: each is what its record commits to, is there unless it was erased on record, and is nobody else's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import CipherError, LedgerFormatError
from governlayer_server.domain.ledger.audit import Facts, Finding, StoredRow, facts_of
from governlayer_server.domain.ledger.commitment import commitment
from governlayer_server.domain.ledger.erasure import TYPES, Erased
from governlayer_server.ports import Vault
from governlayer_server.ports.ledger import SealedPayload
from governlayer_server.ports.ledger_audit import LedgerAudit
from governlayer_server.usecases.seal_payloads import open_payload

# A payload is up to 1 MiB, and a record has up to 16.
_AT_ONCE = 16
_SEQS_AT_ONCE = 20_000
_MAX_OUTSIDE = 1_000
Read = tuple[StoredRow, Facts]


class FsckPayloads(Struct, frozen=True, kw_only=True):
    """Checks the payloads of one ledger."""

    audit: LedgerAudit
    vault: Vault
    ledger_id: str
    organization_id: UUID | None
    erased: Erased

    async def read_erasures(self, size: int) -> None:
        """Learn what was erased on record; what a record really says is told by its bytes, not by its columns."""
        for first in range(0, size, _SEQS_AT_ONCE):
            last = min(first + _SEQS_AT_ONCE, size) - 1
            for row in await self.audit.rows_of_types(self.ledger_id, TYPES, first, last):
                try:
                    facts = facts_of(row.canonical)
                except LedgerFormatError:
                    continue
                if facts.type in TYPES:
                    self.erased.add(facts)

    async def findings(self, records: Sequence[Read]) -> tuple[Sequence[Finding], int]:
        """Return what is wrong with the payloads of *records*, which follow one another, and how many were opened."""
        found: list[Finding] = []
        opened = 0
        for start in range(0, len(records), _AT_ONCE):
            part = records[start : start + _AT_ONCE]
            stored = await self._stored(part[0][0].seq, part[-1][0].seq)
            with suppress(CipherError):  # a damaged header is told of where it stands
                sealed = [one for payloads in stored.values() for one in payloads.values()]
                await self.vault.ready_for(self.organization_id, sealed)
            for row, facts in part:
                payloads = stored.pop(row.seq, {})
                found += self._presence(row.seq, facts.commitments, payloads)
                for name in sorted(payloads.keys() & facts.commitments.keys()):
                    found += await self._content(row, name, payloads[name], facts.commitments[name])
                    opened += 1
            found += [_stray(seq, name) for seq, names in stored.items() for name in names]
        return found, opened

    async def outside(self) -> Sequence[Finding]:
        """Return the payloads of records that the ledger, by its size, cannot have."""
        return [_stray(*place) for place in await self.audit.payloads_outside(self.ledger_id, _MAX_OUTSIDE)]

    async def _stored(self, first: int, last: int) -> dict[int, dict[str, bytes]]:
        stored: dict[int, dict[str, bytes]] = {}
        for one in await self.audit.payloads(self.ledger_id, first, last):
            stored.setdefault(one.seq, {})[one.name] = one.sealed
        return stored

    def _presence(self, seq: int, committed: Mapping[str, str], stored: Mapping[str, bytes]) -> Iterator[Finding]:
        for name in sorted(committed):
            erased = self.erased.covers(seq, name)
            if name not in stored and not erased:
                yield Finding(step="payload", seq=seq, expected=f"{name}, or a record of its erasure", found="neither")
            if name in stored and erased:
                yield Finding(step="erasure", seq=seq, expected=f"no {name}: it was erased on record", found=name)
        yield from (_stray(seq, name) for name in sorted(stored.keys() - committed.keys()))

    async def _content(self, row: StoredRow, name: str, sealed: bytes, committed: str) -> Sequence[Finding]:
        try:
            stored = SealedPayload(name=name, sealed=sealed)
            opened = await open_payload(self.vault, self.organization_id, row.record_id, stored)
            given = commitment(opened.nonce, opened.text.encode())
        except (CipherError, LedgerFormatError, UnicodeDecodeError):
            return [Finding(step="payload", seq=row.seq, expected=f"{name} that opens", found="it does not open")]
        if given != committed:
            return [Finding(step="payload", seq=row.seq, expected=f"{name} {committed}"[:100], found=given)]
        return []


def _stray(seq: int, name: str) -> Finding:
    return Finding(step="orphan", seq=seq, expected="no payload that no record commits to", found=name[:32])
