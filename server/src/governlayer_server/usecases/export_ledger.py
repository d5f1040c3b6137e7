"""Export the ledger: a dump (ledger-v1 §7), streamed, and itself recorded before its first byte."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest, LedgerUnavailable
from governlayer_server.domain.ledger.chain import Head, empty_head, genesis_hash
from governlayer_server.domain.ledger.dump import checkpoint_line, end_line, header_line, payload_line
from governlayer_server.domain.ledger.record import Actor, Record
from governlayer_server.domain.ledger.tree import grow, leaf_hash
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Entropy, Signers, Vault
from governlayer_server.ports.ledger import LedgerStore
from governlayer_server.usecases.key_trail import KeyTrail
from governlayer_server.usecases.read_cosigned import ReadCosigned
from governlayer_server.usecases.record_event import record_event
from governlayer_server.usecases.seal_payloads import open_payload
from governlayer_server.usecases.sign_checkpoint import sign_checkpoint

PAYLOAD_NAMES = ("arguments", "content", "context", "findings")


class Export(Struct, frozen=True, kw_only=True):
    """A dump about to be streamed: its range, and its lines."""

    first: int
    last: int
    lines: AsyncIterator[bytes]


class ExportLedger(Struct, frozen=True, kw_only=True):
    """Exports the ledger of an organization, or that of the deployment."""

    ledger: LedgerStore
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
    ) -> Export:
        """
        Return the dump of records *first* to *last*, after recording that it was asked for.

        Args:
            actor: who asks.
            organization_id: whose ledger; None: that of the deployment.
            first: must be 0: proofs for a dump that starts later are not made yet.
            last: inclusive; None for the newest record, which is then the record of this export. Whatever it is, the
                whole ledger is read before the checkpoint is signed.
            names: payload names to disclose.

        Raises:
            InvalidRequest: a value is out of range, or a payload name is unknown. Nothing was recorded.
            LedgerUnavailable: the export could not be recorded; nothing is disclosed.
        """
        ledger_id = tenant_name(organization_id)
        self._check(await self.ledger.head(ledger_id), first, last, names)
        body = {"first": first, "format": "gldump", "last": last, "payloads": sorted(set(names))}
        entry = await record_event(self.ledger, self.clock, self.entropy, ledger_id, actor, "export", body)
        end = entry.record.seq if last is None else last
        lines = self._lines(organization_id, entry.head, first, end, tuple(sorted(set(names))))
        return Export(first=first, last=end, lines=lines)

    def _check(self, head: Head, first: int, last: int | None, names: Sequence[str]) -> None:
        faults = []
        if first != 0:
            faults.append(Fault("/first", "must be 0: a dump that starts later is not supported yet"))
        if last is not None and not -1 <= last < head.size:
            faults.append(Fault("/last", f"must be less than the ledger's size, {head.size}"))
        if unknown := set(names) - set(PAYLOAD_NAMES):
            listed = ", ".join(sorted(unknown))
            faults.append(Fault("/payloads", f"unknown: {listed}; known: {', '.join(PAYLOAD_NAMES)}"))
        if faults:
            raise InvalidRequest("the dump cannot be made: " + "; ".join(fault.detail for fault in faults), faults)

    async def _lines(
        self, organization_id: UUID | None, head: Head, first: int, last: int, names: tuple[str, ...]
    ) -> AsyncIterator[bytes]:
        yield header_line(
            created=time_text(self.clock.now_us()),
            first=first,
            last=last,
            origin=head.origin,
            genesis_hash=genesis_hash(head.origin).hex(),
            keys=self.signer.vkeys,
            names=names,
        )
        reached, trail = empty_head(head.origin), KeyTrail(self.cosigned.checkpoints, tenant_name(organization_id))
        async for stored in self.ledger.stream(tenant_name(organization_id), first, last, names):
            record = stored.record
            yield record.canonical + b"\n"
            for sealed in stored.payloads:
                yield payload_line(
                    record.seq, await open_payload(self.vault, organization_id, stored.record_id, sealed)
                )
            reached = _after(reached, record)
            if (note := await trail.after(record)) is not None:
                yield checkpoint_line(note)
        await self._refuse_difference(organization_id, reached, head, last)
        if (note := await trail.at_end(reached.size)) is not None:
            yield checkpoint_line(note)
        if reached.size:
            for note in await self._notes(tenant_name(organization_id), reached):
                yield checkpoint_line(note)
        yield end_line(reached.hash.hex(), reached.size - first)

    async def _notes(self, ledger_id: str, reached: Head) -> list[str]:
        """Return the checkpoint of what was dumped, and before it the newest older one that a witness cosigned."""
        note = await self.cosigned.with_cosignatures(ledger_id, sign_checkpoint(self.signer, reached))
        older = await self.cosigned.newest(ledger_id, reached.size - 1)
        return [note] if older is None else [older, note]

    async def _refuse_difference(self, organization_id: UUID | None, reached: Head, head: Head, last: int) -> None:
        """Sign only what is a part of the ledger as written; every reader refuses a dump without its last lines."""
        whole = reached
        async for stored in self.ledger.stream(tenant_name(organization_id), last + 1, head.size - 1, ()):
            whole = _after(whole, stored.record)
        if reached.size != last + 1 or (whole.edge, whole.hash) != (head.edge, head.hash):
            raise LedgerUnavailable("the stored records do not give the ledger's head; the dump ends here unsigned")


def _after(head: Head, record: Record) -> Head:
    """Return the head after the bytes of *record*, whatever hash is stored beside them."""
    return Head(
        origin=head.origin,
        hash=sha256(record.canonical).digest(),
        time_us=record.time_us,
        edge=grow(head.edge, leaf_hash(record.canonical)),
    )
