"""The newest records of a ledger against its stored head: what an appliance looks at before it serves."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from governlayer_server.domain.ledger.audit import (
    UNREADABLE,
    Facts,
    Finding,
    StoredLedger,
    StoredRow,
    after,
    facts_if_readable,
    hash_findings,
    head_findings,
    place_findings,
)
from governlayer_server.domain.ledger.chain import Head, empty_head
from governlayer_server.domain.ledger.tree import Edge, edge_bytes, root

TAIL_RECORDS = 256


class Tail(Struct, frozen=True, kw_only=True):
    """
    What the newest records of a ledger gave.

    Attributes:
        findings: what is wrong with them.
        roots: roots of the tree by size, those that were asked for and that these records alone give.
    """

    findings: tuple[Finding, ...]
    roots: Mapping[int, bytes]


def first_of_tail(size: int) -> int:
    """Return where the tail of a ledger begins: at the start of a tile, at least 256 records before the end."""
    return max(0, (size - TAIL_RECORDS) // TAIL_RECORDS * TAIL_RECORDS)


def check_tail(stored: StoredLedger, rows: Sequence[StoredRow], sizes: Collection[int]) -> Tail:
    """
    Return what is wrong with the newest records: hashes, links, numbers, times, and the head that they lead to.

    Args:
        stored: the head.
        rows: the records from ``first_of_tail`` to the end.
        sizes: whose roots are wanted; given only where the tail is the whole ledger.
    """
    first = first_of_tail(stored.size)
    reached = empty_head(stored.origin) if first == 0 else _before(stored.origin, first, rows)
    findings: list[Finding] = []
    roots = {reached.size: root(reached.edge)} if first == 0 else {}
    for seq, row in zip(_numbers(first, rows), rows, strict=True):
        facts = facts_if_readable(row)
        findings += [*_findings(row, facts, reached, seq), *hash_findings(row)]
        reached = after(reached, row, facts)
        if first == 0 and reached.size in sizes:
            roots[reached.size] = root(reached.edge)
    findings += head_findings(stored, reached)
    if first == 0 and edge_bytes(reached.edge) != stored.edge:
        findings.append(Finding(step="edge", expected=edge_bytes(reached.edge).hex(), found=stored.edge.hex()))
    return Tail(findings=tuple(findings), roots=roots)


def _findings(row: StoredRow, facts: Facts | None, before: Head, seq: int) -> Sequence[Finding]:
    if facts is None:
        return [Finding(step="canonical", seq=row.seq, expected="the bytes of a record", found=UNREADABLE)]
    return list(place_findings(row, facts, before, seq))


def _before(origin: str, first: int, rows: Sequence[StoredRow]) -> Head:
    """Return the head that the first record names as the one before it; its tree is not known here."""
    facts = facts_if_readable(rows[0]) if rows else None
    unknown = Edge(first, (bytes(32),) * first.bit_count())
    if facts is None:
        return Head(origin=origin, hash=b"", time_us=0, edge=unknown)
    return Head(origin=origin, hash=_bytes_of(facts.prev_hash), time_us=facts.time_us, edge=unknown)


def _bytes_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _numbers(first: int, rows: Sequence[StoredRow]) -> Sequence[int]:
    """Return the seq that each row should have: one after the row before, so that a gap is told once."""
    return [first, *(row.seq + 1 for row in rows[:-1])] if rows else []
