"""
Erasures: what is asked for, what the ledger says of it, and what is kept of it for ever.

A tombstone says which keys and payloads were destroyed, by ids and numbers alone: nobody is named in it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from governlayer_server.domain.errors import Fault, InvalidRequest
from governlayer_server.domain.ledger.erasure import ALL_NAMES
from governlayer_server.domain.ledger.record import Actor, Record

Range = tuple[int, int]
MAX_BASIS_CHARACTERS = 100
BASIS = r"[A-Za-z0-9][A-Za-z0-9 .,()/:;_§-]*"
# Of the 16,384 bytes of a record; the rest is for everything else in it.
_MAX_RANGES_BYTES = 14_000
_BASIS = re.compile(BASIS)


class ErasureKind(StrEnum):
    """What an erasure is about."""

    SUBJECT = "subject"
    DECISION = "decision"
    ORGANIZATION = "organization"

    @property
    def is_whole_ledger(self) -> bool:
        """Whether nothing of the ledger is left but its records."""
        return self is ErasureKind.ORGANIZATION


class Target(Struct, frozen=True, kw_only=True):
    """
    What is to be erased from a ledger; without either member: all of it.

    Attributes:
        subject: the keyed fingerprint of a data subject's name, which finds its key.
        decision: the id of a record.
    """

    subject: bytes | None = None
    decision: UUID | None = None

    @property
    def kind(self) -> ErasureKind:
        """What sort of erasure it is."""
        if self.subject is not None:
            return ErasureKind.SUBJECT
        return ErasureKind.ORGANIZATION if self.decision is None else ErasureKind.DECISION


class ErasureRecord(Struct, frozen=True, kw_only=True):
    """Where the ledger says it: seq and hash (64 hex digits) of a record of type ``erasure``."""

    hash: str
    seq: int


class Tombstone(Struct, frozen=True, kw_only=True):
    """
    What was destroyed.

    Attributes:
        id: of the erasure.
        ledger_id: in which ledger.
        origin: of that ledger.
        kind: what sort of erasure it was.
        subjects: ids of the keys that were destroyed; random, they name nobody.
        decision: the record that was asked for by its id.
        ranges: of seq, inclusive, ascending, apart from each other: the records that lost their payloads.
        names: of the payloads; ``*``: all.
        basis: the legal basis, as it was given.
        actor: who asked for it.
        records: how many records lost their payloads.
        erasure_records: that say so in the ledger.
        time_us: when.
    """

    id: UUID
    ledger_id: str
    origin: str
    kind: ErasureKind
    subjects: tuple[UUID, ...]
    decision: UUID | None
    ranges: tuple[Range, ...]
    basis: str
    actor: Actor
    records: int
    erasure_records: tuple[ErasureRecord, ...]
    time_us: int
    names: tuple[str, ...] = (ALL_NAMES,)


def checked_basis(basis: str) -> str:
    """
    Return the legal basis. It stands in the ledger for ever: a reference to a law, nobody's name.

    Raises:
        InvalidRequest: it is empty, too long, or has characters that no such reference needs.
    """
    if len(basis) > MAX_BASIS_CHARACTERS or not _BASIS.fullmatch(basis):
        fault = Fault("/basis", f"1 to {MAX_BASIS_CHARACTERS} letters, digits, spaces and . , ( ) / : ; _ § -")
        raise InvalidRequest(f"basis: {fault.detail}", [fault])
    return basis


def ranges_of(seqs: Iterable[int]) -> tuple[Range, ...]:
    """
    Return *seqs* as ranges, as few as there can be that hold no other seq.

    >>> ranges_of([7, 3, 4, 5, 9, 4])
    ((3, 5), (7, 7), (9, 9))
    """
    found: list[Range] = []
    for seq in sorted(set(seqs)):
        if found and found[-1][1] == seq - 1:
            found[-1] = (found[-1][0], seq)
        else:
            found.append((seq, seq))
    return tuple(found)


def count(ranges: Iterable[Range]) -> int:
    """Return how many seqs are in *ranges*."""
    return sum(last - first + 1 for first, last in ranges)


def pieces(ranges: Iterable[Range], size: int) -> Iterator[list[int]]:
    """Yield the seqs in *ranges*, up to *size* at a time."""
    piece: list[int] = []
    for first, last in ranges:
        for seq in range(first, last + 1):
            piece.append(seq)
            if len(piece) == size:
                yield piece
                piece = []
    if piece:
        yield piece


def erasure_bodies(tombstone: Tombstone, *, reapplied: bool = False) -> Sequence[Mapping[str, object]]:
    """
    Return the bodies of the records that say what *tombstone* says, as many as their size limit makes of it.

    Args:
        tombstone: its ``erasure_records`` do not matter.
        reapplied: whether it is done again, in a ledger that was restored.
    """
    parts = list(in_parts(tombstone.ranges)) or [[]]
    common: dict[str, object] = {
        "basis": tombstone.basis,
        "decision_id": None if tombstone.decision is None else str(tombstone.decision),
        "erasure_id": str(tombstone.id),
        "kind": tombstone.kind.value,
        "names": list(tombstone.names),
        "parts": len(parts),
        "reapplied": reapplied,
        "records": tombstone.records,
        "subjects": [str(one) for one in tombstone.subjects],
    }
    return [{**common, "part": number, "ranges": part} for number, part in enumerate(parts, 1)]


def placed_at(records: Iterable[Record]) -> tuple[ErasureRecord, ...]:
    """Return where *records* stand."""
    return tuple(ErasureRecord(hash=record.hash.hex(), seq=record.seq) for record in records)


def in_parts(ranges: Iterable[Range]) -> Iterator[list[list[int]]]:
    """Yield *ranges* in lists that each fit into a record."""
    part: list[list[int]] = []
    size = 0
    for first, last in ranges:
        needed = len(f"[{first},{last}],")
        if part and size + needed > _MAX_RANGES_BYTES:
            yield part
            part, size = [], 0
        part.append([first, last])
        size += needed
    if part:
        yield part
