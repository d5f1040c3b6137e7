"""Ledgers as rows, the way a database holds them, for tests that change what nobody may change."""

from uuid import UUID

from governlayer_server.domain.ledger.audit import StoredLedger, StoredRow
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.growth import extend
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.ledger.tree import edge_bytes

ORIGIN = "test/ledgers/rows"
START_US = 1_795_456_800_000_000


def rows_of(size: int, **options: int) -> tuple[list[StoredRow], Head]:
    """Return *size* decisions as they are stored, and the head after them; ``step_us`` lies between two."""
    head, rows = empty_head(ORIGIN), []
    for number in range(size):
        record_id = UUID(int=number + 1)
        body = {"agent": f"agent-{number % 3}", "decision": "allow", "decision_id": str(record_id)}
        draft = Draft(type="decision", actor=SYSTEM, body=body)
        record, head = extend(head, draft, START_US + number * options.get("step_us", 1))
        rows.append(
            StoredRow(
                seq=record.seq,
                record_id=record_id,
                type=record.type,
                agent=body["agent"],
                decision="allow",
                time_us=record.time_us,
                canonical=record.canonical,
                hash=record.hash,
                prev_hash=record.prev_hash,
            )
        )
    return rows, head


def stored(head: Head) -> StoredLedger:
    """Return the row of a ledger that stands at *head*."""
    return StoredLedger(
        origin=head.origin,
        size=head.size,
        hash=head.hash,
        time_us=head.time_us,
        edge=edge_bytes(head.edge),
        newest_seq=head.size - 1 if head.size else None,
    )
