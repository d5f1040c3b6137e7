"""
Inclusion and consistency proofs (RFC 6962 §2.1.1 and §2.1.2): what they are made of, and whether they hold.

Every hash of a proof is that of a range of leaves. A range is one perfect subtree, or, at the right edge of the tree,
several folded together; perfect subtrees never change once their leaves are there, which is why they can be stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from governlayer_server.domain.errors import ProofError
from governlayer_server.domain.ledger.tree import HASH_BYTES, node_hash


class Node(NamedTuple):
    """The root of a perfect subtree: it has ``2^level`` leaves, the first of them ``n * 2^level``."""

    level: int
    n: int


class Range(NamedTuple):
    """Leaves *start* to *end*, exclusive: a range that RFC 6962 §2.1 splits a tree into."""

    start: int
    end: int

    def nodes(self) -> list[Node]:
        """Return the perfect subtrees that make up the range, largest first."""
        found, start = [], self.start
        while start < self.end:
            level = (self.end - start).bit_length() - 1
            found.append(Node(level, start >> level))
            start += 1 << level
        return found

    def hash(self, nodes: Mapping[Node, bytes]) -> bytes:
        """Return the root over the range, 32 bytes, from the hashes of its ``nodes``."""
        if self.start == self.end:
            return sha256(b"").digest()
        result, *larger = [nodes[node] for node in reversed(self.nodes())]
        for left in larger:
            result = node_hash(left, result)
        return result


def whole(size: int) -> Range:
    """Return the range of the whole tree of *size* leaves."""
    return Range(0, size)


def inclusion_ranges(seq: int, size: int) -> list[Range]:
    """
    Return the ranges whose hashes prove leaf *seq* in the tree of *size* leaves, in order (RFC 6962 §2.1.1).

    Args:
        seq: from 0.
        size: greater than *seq*.
    """
    path, (start, end) = [], whole(size)
    while end - start > 1:
        middle = start + _split(end - start)
        if seq < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start = middle
    return path[::-1]


def subtree_ranges(node: Node, size: int) -> list[Range]:
    """Return the ranges that prove the perfect subtree *node* in the tree of *size* leaves: a leaf's upper ones."""
    return inclusion_ranges(node.n << node.level, size)[node.level :]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """
    Return the ranges whose hashes prove that the tree of *second* leaves extends that of *first* (RFC 6962 §2.1.2).

    Args:
        first: from 1.
        second: not smaller than *first*.
    """
    path, (start, end) = [], whole(second)
    while end != first:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start = middle
    if start:
        path.append(Range(start, end))
    return path[::-1]


def nodes_of(ranges: Iterable[Range]) -> set[Node]:
    """Return the perfect subtrees whose hashes give those of *ranges*."""
    return {node for one in ranges for node in one.nodes()}


def hashes_of(ranges: Iterable[Range], nodes: Mapping[Node, bytes]) -> tuple[bytes, ...]:
    """Return the hashes of *ranges*, 32 bytes each, from those of their nodes: the proof itself."""
    return tuple(one.hash(nodes) for one in ranges)


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """
    Return the root that an inclusion proof leads to, 32 bytes (RFC 9162 §2.1.3.2).

    Args:
        leaf: the leaf's hash, 32 bytes.
        index: of the leaf, from 0.
        size: how many leaves the tree has, more than *index*.
        proof: 32 bytes a hash, the leaf's sibling first.

    Raises:
        ProofError: the proof has too few hashes or too many.
    """
    result, last = leaf, size - 1
    siblings = iter(proof)
    try:
        while last:
            if index & 1:
                result = node_hash(next(siblings), result)
            elif index < last:
                result = node_hash(result, next(siblings))
            index, last = index >> 1, last >> 1
    except StopIteration:
        raise ProofError(f"the proof has too few hashes: {len(proof)}") from None
    if next(siblings, None) is not None:
        raise ProofError(f"the proof has too many hashes: {len(proof)}")
    return result


def verify_inclusion(leaf: bytes, seq: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """
    Return if *proof* shows *leaf* at *seq* in the tree of *size* leaves with *root* (RFC 9162 §2.1.3.2).

    Args:
        leaf: the leaf's hash, 32 bytes.
        seq: from 0.
        size: greater than *seq*.
        proof: 32 bytes a hash, the leaf's sibling first.
        root: 32 bytes.

    Raises:
        ProofError: it does not.
    """
    verify_subtree(Node(0, seq), leaf, size, proof, root)


def verify_subtree(node: Node, subtree: bytes, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """
    Return if *proof* shows the perfect subtree *node* with the root *subtree* in the tree of *size* leaves with *root*.

    Args:
        node: which subtree.
        subtree: 32 bytes.
        size: leaves of the tree; the subtree has none beyond.
        proof: 32 bytes a hash, the subtree's sibling first.
        root: 32 bytes.

    Raises:
        ProofError: it does not.
    """
    start, end = node.n << node.level, (node.n + 1) << node.level
    if not 0 <= start < end <= size:
        raise ProofError(f"there is no leaf {end - 1} in a tree of {size}")
    _require_hashes(subtree, root, *proof)
    # Counted in subtrees of its size, it is a leaf.
    if root_from_inclusion(subtree, node.n, ((size - 1) >> node.level) + 1, proof) != root:
        raise ProofError(f"the proof of leaf {start} does not lead to the root of {size} leaves")


def verify_consistency(first: int, second: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """
    Return if *proof* shows that the tree *second*, *root2* extends the tree *first*, *root1* (RFC 9162 §2.1.4.2).

    Args:
        first: leaves of the older tree, from 1: every tree extends the empty one, and no proof says so.
        second: leaves of the newer tree, not fewer.
        root1: 32 bytes.
        root2: 32 bytes.
        proof: 32 bytes a hash; empty where *first* is *second*.

    Raises:
        ProofError: it does not.
    """
    if not 0 < first <= second:
        raise ProofError(f"a consistency proof leads from at least 1 leaf to no fewer, not from {first} to {second}")
    _require_hashes(root1, root2, *proof)
    ranges = consistency_ranges(first, second)
    _require_length(proof, len(ranges))
    older, newer = _grown(first, root1, ranges, proof)
    if older != root1:
        raise ProofError(f"the proof does not lead to the root of {first} leaves")
    if newer != root2:
        raise ProofError(f"the proof does not lead to the root of {second} leaves")


def _grown(first: int, root1: bytes, ranges: Sequence[Range], proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of both trees, from what they share: the older tree as a whole, or the last subtree of it."""
    pairs = list(zip(ranges, proof, strict=True))
    shared = pairs.pop(0)[1] if ranges and ranges[0].end == first else root1
    older = newer = shared
    for one, sibling in pairs:
        if one.start < first:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
        else:
            newer = node_hash(newer, sibling)
    return older, newer


def _split(size: int) -> int:
    """Return the largest power of two smaller than *size*, which is at least 2 (RFC 6962 §2.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _require_length(proof: Sequence[bytes], length: int) -> None:
    if len(proof) != length:
        raise ProofError(f"the proof has {length} hashes, this one {len(proof)}")


def _require_hashes(*hashes: bytes) -> None:
    if any(len(one) != HASH_BYTES for one in hashes):
        raise ProofError(f"a hash has {HASH_BYTES} bytes")
