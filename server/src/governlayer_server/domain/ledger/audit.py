"""
What is wrong with records as they are stored, told from their bytes (ledger-v1 §8, steps 3 to 6).

The writer's own look at itself: who does not trust the writer runs the verifier, which shares no code with this.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from uuid import UUID

import msgspec
from msgspec import Struct, field

from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.tree import grow, leaf_hash
from governlayer_server.domain.times import parse_time

MEMBERS = ("actor", "body", "commitments", "prev_hash", "seq", "time", "type", "v")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
MAX_OF_A_STEP = 100
UNREADABLE = "bytes that are no record"


class Finding(Struct, frozen=True, kw_only=True):
    """
    One thing that is not as it must be. Numbers and hashes only: nothing that a customer sent.

    Attributes:
        step: what was checked, one word.
        seq: of the record concerned; None where it is not one record's.
        expected: what must be there.
        found: what is there.
    """

    step: str
    seq: int | None = None
    expected: str
    found: str


class StoredLedger(Struct, frozen=True, kw_only=True):
    """
    The head of a ledger as it is stored.

    Attributes:
        origin: of the ledger.
        size: how many records it should have.
        hash: of the newest record, or the genesis.
        time_us: of the newest record.
        edge: the stored bytes of the tree's right edge.
        newest_seq: the highest seq that a stored record has, whatever *size* says; None without records.
    """

    origin: str
    size: int
    hash: bytes
    time_us: int
    edge: bytes
    newest_seq: int | None


class StoredRow(Struct, frozen=True, kw_only=True):
    """A record with every column that is stored beside its bytes; a hash is None where none is stored."""

    seq: int
    record_id: UUID
    type: str
    agent: str | None
    decision: str | None
    time_us: int
    canonical: bytes
    hash: bytes | None
    prev_hash: bytes | None


class Facts(Struct, frozen=True, kw_only=True, dict=True):
    """What a record says of its place, and of itself for those who search."""

    seq: int
    prev_hash: str
    time: str
    type: str
    body: Mapping[str, object]
    commitments: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def time_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        return parse_time(self.time)


_FACTS = msgspec.json.Decoder(Facts)


class Findings:
    """Findings, the first hundred of each step, and how many there are of each."""

    def __init__(self) -> None:
        self.first: list[Finding] = []
        self.counts: Counter[str] = Counter()

    def add(self, findings: Iterable[Finding]) -> None:
        """Take *findings* in."""
        for one in findings:
            self.counts[one.step] += 1
            if self.counts[one.step] <= MAX_OF_A_STEP:
                self.first.append(one)


def facts_of(canonical: bytes) -> Facts:
    """
    Return what the bytes of a record say; that they are canonical is not checked (``canonical_findings``).

    Raises:
        LedgerFormatError: they are no record.
    """
    try:
        facts = _FACTS.decode(canonical)
        _ = facts.time_us
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        raise LedgerFormatError("the bytes are no record") from None
    return facts


def facts_if_readable(row: StoredRow) -> Facts | None:
    """Return what the bytes of *row* say, None where they are no record."""
    try:
        return facts_of(row.canonical)
    except LedgerFormatError:
        return None


def canonical_findings(seq: int, canonical: bytes) -> Iterator[Finding]:
    """Yield what is wrong with the form of a record: its bytes must be their own re-serialization (ledger-v1 §2.1)."""
    try:
        value = json.loads(canonical, object_pairs_hook=_distinct)
        again = canonical_bytes(value)
    except (ValueError, RecursionError, AttributeError, LedgerFormatError) as error:
        why = str(error) if isinstance(error, LedgerFormatError) else UNREADABLE
        yield Finding(step="canonical", seq=seq, expected="the canonical bytes of a record", found=why)
        return
    if again != canonical:
        yield Finding(step="canonical", seq=seq, expected=_digest(again), found=_digest(canonical))
    elif not _has_members(value):
        yield Finding(step="canonical", seq=seq, expected="the members of a record, version 1", found="others")


def _has_members(value: object) -> bool:
    return (
        isinstance(value, dict)
        and tuple(value) == MEMBERS
        and value["v"] == 1
        and _TIME.fullmatch(str(value["time"])) is not None
    )


def place_findings(row: StoredRow, facts: Facts, before: Head, seq: int) -> Iterator[Finding]:
    """Yield what is wrong with the place of record *seq* after *before*: number, link, time (ledger-v1 §8.4 to 6)."""
    if not facts.seq == row.seq == seq:
        yield Finding(step="sequence", seq=seq, expected=str(seq), found=f"{row.seq}, {facts.seq} in the record")
    if facts.prev_hash != before.hash.hex():
        yield Finding(step="link", seq=row.seq, expected=before.hash.hex(), found=facts.prev_hash[:64])
    if facts.time_us < before.time_us:
        yield Finding(step="time", seq=row.seq, expected=f"{before.time_us} or later", found=str(facts.time_us))


def hash_findings(row: StoredRow) -> Iterator[Finding]:
    """Yield whether the stored hash is not that of the bytes."""
    digest = sha256(row.canonical).digest()
    if row.hash is not None and row.hash != digest:
        yield Finding(step="hash", seq=row.seq, expected=digest.hex(), found=row.hash.hex())


def column_findings(row: StoredRow, facts: Facts) -> Iterator[Finding]:
    """Yield which columns differ from the bytes that they were copied from; texts are not repeated."""
    decided = facts.body if facts.type == "decision" else {}
    copies = {
        "prev_hash": (row.prev_hash is None or row.prev_hash.hex() == facts.prev_hash),
        "time_us": row.time_us == facts.time_us,
        "type": row.type == facts.type,
        "agent": row.agent == decided.get("agent"),
        "decision": row.decision == decided.get("decision"),
        "record_id": facts.type != "decision" or str(row.record_id) == decided.get("decision_id"),
    }
    for column, same in copies.items():
        if not same:
            yield Finding(step="column", seq=row.seq, expected=f"{column} of the record", found="another")


def after(before: Head, row: StoredRow, facts: Facts | None) -> Head:
    """Return the head after the bytes of *row*, whatever they are; an unreadable record has the time before it."""
    return Head(
        origin=before.origin,
        hash=sha256(row.canonical).digest(),
        time_us=before.time_us if facts is None else max(before.time_us, facts.time_us),
        edge=grow(before.edge, leaf_hash(row.canonical)),
    )


def head_findings(stored: StoredLedger, reached: Head) -> Iterator[Finding]:
    """Yield how the stored head differs from *reached*, where the records lead; the edge is another matter."""
    if reached.size != stored.size:
        yield Finding(step="head", expected=f"size {reached.size}", found=f"size {stored.size}")
    if (newest := stored.newest_seq) is not None and newest >= stored.size:
        yield Finding(step="head", seq=newest, expected=f"no record from seq {stored.size} on", found=f"seq {newest}")
    if reached.hash != stored.hash:
        yield Finding(step="head", expected=f"hash {reached.hash.hex()}", found=f"hash {stored.hash.hex()}")
    if reached.time_us != stored.time_us:
        yield Finding(step="head", expected=f"time {reached.time_us}", found=f"time {stored.time_us}")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise LedgerFormatError("a member name stands twice")
    return members


def _digest(canonical: bytes) -> str:
    return f"{len(canonical)} bytes, SHA-256 {sha256(canonical).hexdigest()}"
