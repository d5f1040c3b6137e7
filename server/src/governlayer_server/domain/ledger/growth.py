"""The one way to add records to a ledger, one or many: placed, linked and provable (ledger-v1 §2 to §4)."""

from functools import cached_property
from hashlib import sha256

from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import MAX_BYTES, canonical_bytes
from governlayer_server.domain.ledger.chain import Head
from governlayer_server.domain.ledger.record import Draft, Record
from governlayer_server.domain.ledger.tree import Edge, leaf_hash, node_hash, perfect_subtrees, root
from governlayer_server.domain.times import time_text


class Prepared:
    """
    A draft whose bytes are written but for its place.

    Members stand sorted (RFC 8785), and the three that tell the place, ``prev_hash``, ``seq`` and ``time``, stand side
    by side: a record is what was written before them, its place, and what was written after.
    """

    __slots__ = ("after", "before", "type")

    def __init__(self, draft: Draft) -> None:
        """
        Write what does not depend on the place.

        Raises:
            LedgerFormatError: the record would break §2 wherever it stood.
        """
        self.type = draft.type
        self.before = canonical_bytes(draft.members_before_place())[:-1] + b',"prev_hash":"'
        # A type is of [a-z_.] (§2): nothing in it is escaped.
        self.after = b'","type":"%b","v":1}' % draft.type.encode()

    def at(self, seq: int, prev_hash: bytes, time: bytes) -> bytes:
        """
        Return the canonical bytes of the record at its place (§2.1).

        Raises:
            LedgerFormatError: they are more than 16,384.
        """
        canonical = b'%b%b","seq":%d,"time":"%b%b' % (self.before, prev_hash.hex().encode(), seq, time, self.after)
        if len(canonical) > MAX_BYTES:
            raise LedgerFormatError(f"a record has at most {MAX_BYTES} bytes, this one {len(canonical)}")
        return canonical


class Growth:
    """
    A ledger that records are appended to at one moment, and the nodes of its tree that they made.

    Args:
        head: where the ledger stands.
        now_us: the writer's clock, microseconds since the Unix epoch; if it went back, the time of the record
            before is kept, because times never decrease (§2).
    """

    def __init__(self, head: Head, now_us: int) -> None:
        self.before = head
        self._time_us = max(now_us, head.time_us)
        self._time = time_text(self._time_us).encode()
        self._hash = head.hash
        self._size = head.size
        self._edge = list(head.edge.hashes)
        self._nodes = dict(zip(perfect_subtrees(head.size), head.edge.hashes, strict=True))

    def append(self, prepared: Prepared) -> Record:
        """
        Return the next record; the same bytes are hashed into the chain and into the tree.

        Raises:
            LedgerFormatError: it would break §2. Nothing is appended.
        """
        canonical = prepared.at(self._size, self._hash, self._time)
        record = Record(
            seq=self._size,
            type=prepared.type,
            time_us=self._time_us,
            canonical=canonical,
            hash=sha256(canonical).digest(),
            prev_hash=self._hash,
        )
        self._grow(leaf_hash(canonical))
        self._hash = record.hash
        return record

    def _grow(self, carried: bytes) -> None:
        level, index = 0, self._size
        self._nodes[level, index] = carried
        while index & 1:
            carried = node_hash(self._edge.pop(), carried)
            level, index = level + 1, index >> 1
            self._nodes[level, index] = carried
        self._edge.append(carried)
        self._size += 1

    @cached_property
    def head(self) -> Head:
        """Where the ledger stands after all that was appended; nothing may be appended any more."""
        edge = Edge(self._size, tuple(self._edge))
        return Head(origin=self.before.origin, hash=self._hash, time_us=self._time_us, edge=edge)

    @cached_property
    def root(self) -> bytes:
        """The root of the tree after all that was appended, 32 bytes."""
        return root(self.head.edge)

    def inclusion_proof(self, seq: int) -> tuple[bytes, ...]:
        """
        Return the inclusion proof of a record that was appended, in the tree that they all end with (RFC 6962 §2.1.1).

        Args:
            seq: of one of the records appended.
        """
        proof, level, index, last = [], 0, seq, self.head.size - 1
        while last:
            if index & 1:
                proof.append(self._nodes[level, index - 1])
            elif index + 1 < last:
                proof.append(self._nodes[level, index + 1])
            elif index + 1 == last:
                proof.append(self._tail(level, last))
            level, index, last = level + 1, index >> 1, last >> 1
        return tuple(proof)

    def _tail(self, level: int, index: int) -> bytes:
        """Return the last node of its level: perfect, or what stands on the right edge from there on."""
        if (level, index) in self._nodes:
            return self._nodes[level, index]
        edge = self.head.edge
        return root(Edge(edge.size - (index << level), edge.hashes[index.bit_count() :]))


def extend(head: Head, draft: Draft, now_us: int) -> tuple[Record, Head]:
    """
    Return the record that *draft* becomes after *head*, and the head after it.

    Raises:
        LedgerFormatError: the record would break §2. Nothing is appended.
    """
    growth = Growth(head, now_us)
    record = growth.append(Prepared(draft))
    return record, growth.head
