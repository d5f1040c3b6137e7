"""
Export what the ledger holds of a data subject (GDPR Art. 15 and 20): all payloads of all records that name it.

One JSON object a line: a header, each record with its payloads, nonces and receipt, and an end, without which the
export was cut off. Recorded before its first byte. Where it is documented: docs/how-to/retention-and-holds.md.
"""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct

from governlayer_server.domain.erasure import ranges_of
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.ledger.record import Actor
from governlayer_server.domain.times import time_text
from governlayer_server.ports import Clock, Entropy, Vault
from governlayer_server.ports.erasures import ErasureStore
from governlayer_server.ports.ledger import LedgerStore, StoredRecord
from governlayer_server.usecases.answer_once import AnswerOnce, Keep, Once
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.usecases.make_receipt import MakeReceipt
from governlayer_server.usecases.record_event import event
from governlayer_server.usecases.seal_payloads import open_payload

OPERATION = "POST /v1/privacy/subject-exports"


class SubjectExport(Struct, frozen=True, kw_only=True):
    """An export about to be streamed: how many records it has, and its lines. ``replayed``: recorded before."""

    records: int
    lines: AsyncIterator[bytes]
    replayed: bool = False


class ExportSubject(Struct, frozen=True, kw_only=True):
    """Exports what an organization's ledger holds of a data subject."""

    ledger: LedgerStore
    ledgers: ErasureStore
    make_receipt: MakeReceipt
    once: AnswerOnce
    vault: Vault
    clock: Clock
    entropy: Entropy

    async def __call__(self, actor: Actor, organization_id: UUID, name: str, once: Once | None = None) -> SubjectExport:
        """
        Return the export of all records that name a data subject, after recording that it was asked for.

        Args:
            actor: who asks.
            organization_id: whose ledger.
            name: of the data subject, as decisions name it.
            once: the caller's idempotency key: the same export again, as far as it has not been erased since.

        Raises:
            NotFound: nothing names this data subject. Nothing was recorded.
            LedgerUnavailable: the export could not be recorded; nothing is disclosed.
        """
        ledger_id, subject_id = str(organization_id), await self.vault.find_subject(organization_id, name)
        seqs = [] if subject_id is None else await self.ledgers.seqs_of(ledger_id, subject_id)
        if not seqs:
            raise NotFound("there is no data of this data subject")

        async def work(keep: Keep) -> bytes:
            body = {
                "first": seqs[0],
                "format": "subject",
                "last": seqs[-1],
                "payloads": list(PAYLOAD_NAMES),
                "records": len(seqs),
                "subject": str(subject_id),
            }
            record = event(self.clock, self.entropy, ledger_id, actor, "export", body)
            await self.ledger.append(await keep(record, record.record_id.bytes))
            return record.record_id.bytes

        kept = await self.once(actor, organization_id, OPERATION, once, work)
        recorded = await self.ledger.place_of(ledger_id, UUID(bytes=kept.answer))
        named = [seq for seq in seqs if seq < recorded.seq]
        head = {
            "created": time_text(recorded.time_us),
            "data_subject": name,
            "export_seq": recorded.seq,
            "origin": (await self.ledger.head(ledger_id)).origin,
            "records": len(named),
            "v": 1,
        }
        lines = self._lines(organization_id, head, named, recorded.seq + 1)
        return SubjectExport(records=len(named), lines=lines, replayed=kept.replayed)

    async def _lines(
        self, organization_id: UUID, head: dict[str, object], seqs: Sequence[int], size: int
    ) -> AsyncIterator[bytes]:
        yield _line("subject_export", head)
        records = 0
        for first, last in ranges_of(seqs):
            async for stored in self.ledger.stream(str(organization_id), first, last, PAYLOAD_NAMES):
                yield await self._record(organization_id, stored, size)
                records += 1
        yield _line("end", {"records": records})

    async def _record(self, organization_id: UUID, stored: StoredRecord, size: int) -> bytes:
        opened = [await open_payload(self.vault, organization_id, stored.record_id, one) for one in stored.payloads]
        record = stored.record
        return _line(
            "record",
            {
                "canonical": msgspec.Raw(record.canonical),
                "hash": record.hash.hex(),
                "payloads": [{"name": one.name, "nonce": one.nonce.hex(), "text": one.text} for one in opened],
                "receipt": await self.make_receipt(organization_id, record.seq, size),
                "seq": record.seq,
            },
        )


def _line(kind: str, members: dict[str, object]) -> bytes:
    return msgspec.json.encode({kind: members}) + b"\n"
