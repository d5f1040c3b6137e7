"""Export the ledger: a dump (ledger-v1 §7), streamed, and itself recorded before its first byte."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest, LedgerDamaged
from governlayer_server.domain.ledger.chain import Head, genesis_hash
from governlayer_server.domain.ledger.commitment import Payload
from governlayer_server.domain.ledger.dump import (
    checkpoint_line,
    consistency_line,
    end_line,
    header_line,
    inclusion_line,
    payload_line,
)
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.domain.ledger.record import Actor, Record
from governlayer_server.domain.ledger.tree import grow, leaf_hash, root
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Entropy, Signers, Vault
from governlayer_server.ports.ledger import LedgerStore, StoredRecord
from governlayer_server.usecases.key_trail import KeyTrail
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.read_cosigned import ReadCosigned
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.seal_payloads import open_payload
from governlayer_server.usecases.sign_checkpoint import keys_of_then, sign_tree

_CHUNK_BYTES = 65_536
# As many as the store reads at once with their payloads: each may have four of 1 MiB.
_GROUP = 16
PAYLOAD_NAMES = ("arguments", "content", "context", "findings")


class Export(Struct, frozen=True, kw_only=True):
    """
    A dump about to be streamed.

    Attributes:
        start: the seq of its first line: ``first`` of the range, or where a dump is gone on with.
        last: the last seq, inclusive.
        size: how many records the ledger had, the record of this export among them.
        lines: one by one, or, where a dump is gone on with, those from record *start* on.
    """

    start: int
    last: int
    size: int
    lines: AsyncIterator[bytes]


class ExportLedger(Struct, frozen=True, kw_only=True):
    """Exports the ledger of an organization, or that of the deployment."""

    ledger: LedgerStore
    prove: ProveLedger
    vault: Vault
    signer: Signers
    clock: Clock
    entropy: Entropy
    cosigned: ReadCosigned

    async def __call__(
        self,
        actor: Actor,
        organization_id: UUID | None,
        *,
        first: int = 0,
        last: int | None = None,
        names: Sequence[str] = (),
        resume_at: int | None = None,
    ) -> Export:
        """
        Return the dump of records *first* to *last*, after recording that it was asked for.

        Args:
            actor: who asks.
            organization_id: whose ledger; None: that of the deployment.
            first: from 0.
            last: inclusive; None for the newest record, which is then the record of this export.
            names: payload names to disclose.
            resume_at: of a dump that was cut off: the seq of the first record that is missing of it. The lines from
                that record to the end are given again, and are those of the same dump; *last* must be the header's.
                Where signing keys changed on both sides of the cut, one checkpoint is missing: begin a new dump.

        Raises:
            InvalidRequest: a value is out of range, or a payload name is unknown. Nothing was recorded.
            LedgerUnavailable: the export could not be recorded; nothing is disclosed.
        """
        ledger_id, start = tenant_name(organization_id), first if resume_at is None else resume_at
        self._check(await self.ledger.head(ledger_id), first, last, names, resume_at)
        body = {"first": start, "format": "gldump", "last": last, "payloads": sorted(set(names))}
        entry = await record_event(self.ledger, self.clock, self.entropy, ledger_id, actor, "export", body)
        end = entry.record.seq if last is None else last
        origin, known = entry.head.origin, tuple(sorted(set(names)))
        lines = self._rest(organization_id, first, start, end, known)
        if resume_at is None:
            lines = _after_header(self._header(origin, first, end, known), lines)
        return Export(start=start, last=end, size=entry.head.size, lines=lines)

    def _check(self, head: Head, first: int, last: int | None, names: Sequence[str], resume_at: int | None) -> None:
        faults, end = [], head.size if last is None else last
        if last is not None and not -1 <= last < head.size:
            faults.append(Fault("/last", f"must be less than the ledger's size, {head.size}"))
        elif not (0 <= first <= end or first == 0):
            faults.append(Fault("/first", f"must be 0 to {max(end, 0)}"))
        elif resume_at is not None and not first <= resume_at <= end:
            faults.append(Fault("/range", f"must begin at seq {first} to {end}"))
        if resume_at is not None and last is None:
            faults.append(Fault("/last", "must be that of the dump that is gone on with"))
        if unknown := set(names) - set(PAYLOAD_NAMES):
            listed = ", ".join(sorted(unknown))
            faults.append(Fault("/payloads", f"unknown: {listed}; known: {', '.join(PAYLOAD_NAMES)}"))
        if faults:
            raise InvalidRequest("the dump cannot be made: " + "; ".join(fault.detail for fault in faults), faults)

    def _header(self, origin: str, first: int, last: int, names: tuple[str, ...]) -> bytes:
        return header_line(
            created=time_text(self.clock.now_us()),
            first=first,
            last=last,
            origin=origin,
            genesis_hash=genesis_hash(origin).hex(),
            keys=self.signer.vkeys,
            names=names,
        )

    async def _rest(
        self, organization_id: UUID | None, first: int, start: int, last: int, names: tuple[str, ...]
    ) -> AsyncIterator[bytes]:
        """Yield the lines from record *start* on; a dump that was cut off has all before them."""
        ledger_id = tenant_name(organization_id)
        reached, trail = await self.prove.head(ledger_id, start), KeyTrail(self.cosigned.checkpoints, ledger_id)
        async for stored, opened in self._opened(organization_id, self.ledger.stream(ledger_id, start, last, names)):
            record = stored.record
            yield record.canonical + b"\n"
            for payload in opened:
                yield payload_line(record.seq, payload)
            reached = _after(reached, record)
            if (note := await trail.after(record)) is not None:
                yield checkpoint_line(note)
        # Sign only what is a part of the ledger as written; every reader refuses a dump without its last lines.
        if reached != await self.prove.head(ledger_id, last + 1):
            raise LedgerDamaged("the stored records do not give the ledger's head; the dump ends here unsigned")
        if (note := await trail.at_end(reached.size)) is not None:
            yield checkpoint_line(note)
        if reached.size:
            async for line in self._notes(ledger_id, first, reached, trail):
                yield line
        yield end_line(reached.hash.hex(), reached.size - first)

    async def _opened(
        self, organization_id: UUID | None, records: AsyncIterator[StoredRecord]
    ) -> AsyncIterator[tuple[StoredRecord, Sequence[Payload]]]:
        """Yield *records* with their payloads opened; the keys of data subjects are asked for by groups."""
        async for group in in_groups(records, _GROUP):
            sealed = [one.sealed for stored in group for one in stored.payloads]
            await self.vault.ready_for(organization_id, sealed)
            for stored in group:
                opened = [
                    await open_payload(self.vault, organization_id, stored.record_id, one) for one in stored.payloads
                ]
                yield stored, opened

    async def _notes(self, ledger_id: str, first: int, reached: Head, trail: KeyTrail) -> AsyncIterator[bytes]:
        """Yield the checkpoint of what was dumped; before it the newest older one that a witness cosigned; proofs."""
        size = reached.size
        older = await self.cosigned.newest(ledger_id, size - 1)
        before = 0 if older is None else parse_checkpoint(older).size
        if first:
            yield inclusion_line(first, size, await self.prove.inclusion(ledger_id, first, size))
        if older is not None and before > trail.newest_introduction:
            if before < first:
                yield consistency_line(before, size, await self.prove.consistency(ledger_id, before, size))
            yield checkpoint_line(older)
        also = await keys_of_then(self.signer, self.ledger, ledger_id, size)
        note = sign_tree(self.signer, reached.origin, size, root(reached.edge), also)
        yield checkpoint_line(await self.cosigned.with_cosignatures(ledger_id, note))


async def in_chunks(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """
    Yield *lines* joined to chunks of 64 KiB or little more: as many writes as that, and no more memory.

    The first line goes by itself, so that whoever waits sees that the answer has begun.
    """
    waiting: list[bytes] = []
    size = _CHUNK_BYTES
    async for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= _CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


async def in_groups(records: AsyncIterator[StoredRecord], size: int) -> AsyncIterator[Sequence[StoredRecord]]:
    """Yield *records* as lists of *size*, the last of what is left."""
    group: list[StoredRecord] = []
    async for record in records:
        group.append(record)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


async def _after_header(header: bytes, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield header
    async for line in lines:
        yield line


def _after(head: Head, record: Record) -> Head:
    """Return the head after the bytes of *record*, whatever hash is stored beside them."""
    return Head(
        origin=head.origin,
        hash=sha256(record.canonical).digest(),
        time_us=record.time_us,
        edge=grow(head.edge, leaf_hash(record.canonical)),
    )
