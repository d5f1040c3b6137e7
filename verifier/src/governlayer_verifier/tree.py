"""The Merkle tree of ledger-v1 §4: RFC 6962 §2.1 hashes, proofs, and a tree that may begin anywhere.

Leaves are kept as a spool of hashes plus one hash per 256 of them per level (the layout of
c2sp.org/tlog-tiles), so the root at any size met so far can be computed again from a few hundred hashes. That is
what lets a checkpoint stand anywhere after its last record.
"""

import hashlib
from collections.abc import Iterator, Sequence

from governlayer_verifier.spool import Spool

EMPTY_ROOT = hashlib.sha256(b"").digest()
HASH_BYTES = 32
_TILE_HEIGHT = 8
_TILE = 1 << _TILE_HEIGHT


class ProofError(ValueError):
    """A proof has the wrong number of hashes, a hash of the wrong length, or impossible sizes."""


def leaf_hash(record: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ *record*), RFC 6962 §2.1."""
    return hashlib.sha256(b"\0" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ *left* ‖ *right*), RFC 6962 §2.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(f"a hash is not {HASH_BYTES} bytes long")


def _climb(node: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """
    Yield each hash of *proof* with whether it stands to the left of the path (RFC 9162 §2.1.3.2, §2.1.4.2).

    Args:
        node: position of the path's lowest node in its level.
        last: position of the last node of that level.
        proof: siblings from there upwards.
    """
    for sibling in proof:
        if last == 0:
            raise ProofError("too many hashes")
        is_left = node & 1 == 1 or node == last
        yield sibling, is_left
        while is_left and node and not node & 1:
            node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("too few hashes")


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """
    Return the root of the tree of *size* leaves that *proof* leads to from *leaf* (RFC 9162 §2.1.3.2).

    Args:
        index: position of the leaf, from 0.
        size: number of leaves, above *index*.
        leaf: leaf hash, 32 bytes.
        proof: sibling hashes from the leaf upwards, RFC 6962 §2.1.1.

    Raises:
        ProofError: the proof cannot belong to *index* and *size*.
    """
    if not 0 <= index < size:
        raise ProofError(f"index {index} is outside a tree of {size}")
    _check_hashes([leaf, *proof])
    root = leaf
    for sibling, is_left in _climb(index, size - 1, proof):
        root = node_hash(sibling, root) if is_left else node_hash(root, sibling)
    return root


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Return whether *proof* shows *leaf* at *index* under *root* of *size* leaves; malformed is False."""
    try:
        return root_from_inclusion(index, size, leaf, proof) == root
    except ProofError:
        return False


def roots_from_consistency(size1: int, size2: int, root1: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """
    Return the two roots that *proof* leads to (RFC 9162 §2.1.4.2); it holds where both are as expected.

    Args:
        size1: smaller tree, at least 1.
        size2: larger tree, at least *size1*.
        root1: root of the smaller tree; the proof leaves it out where *size1* is a power of two.
        proof: hashes of RFC 6962 §2.1.2.

    Raises:
        ProofError: the proof cannot belong to these sizes.
    """
    if not 0 < size1 <= size2:
        raise ProofError(f"no consistency from {size1} to {size2}")
    _check_hashes([root1, *proof])
    if size1 == size2:
        if proof:
            raise ProofError("too many hashes")
        return root1, root1
    hashes = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    if not hashes:
        raise ProofError("too few hashes")
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = hashes[0]
    for sibling, is_left in _climb(node, last, hashes[1:]):
        if is_left:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
        else:
            second = node_hash(second, sibling)
    return first, second


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether *proof* shows that the tree of *size2* begins with that of *size1*; malformed is False."""
    try:
        return roots_from_consistency(size1, size2, root1, proof) == (root1, root2)
    except ProofError:
        return False


def left_siblings(index: int, size: int, proof: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """
    Return, out of an inclusion proof, the complete subtrees that cover the leaves before *index*.

    The left siblings on the way up are exactly the binary decomposition of [0, *index*), smallest first.

    Returns:
        (level, position) → hash, where the node covers leaves position·2^level up to (position + 1)·2^level.

    Raises:
        ProofError: the proof cannot belong to *index* and *size*.
    """
    _check_hashes(proof)
    lefts = [sibling for sibling, is_left in _climb(index, size - 1, proof) if is_left]
    levels = [level for level in range(index.bit_length()) if index >> level & 1]
    if len(levels) != len(lefts):
        raise ProofError("the hashes do not cover what lies to the left")
    return {(level, (index >> level) - 1): each for level, each in zip(levels, lefts, strict=True)}


class Tree:
    """The leaves from *first* on; with ``seeds`` for what lies before, the root at every size so far."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.size = first
        self.seeds: dict[tuple[int, int], bytes] = {}
        self._spools = [Spool(HASH_BYTES)]
        self._recent: list[list[bytes]] = [[]]

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash."""
        self._spools[0].append(leaf)
        self._recent[0].append(leaf)
        self.size += 1
        if not self.size & (_TILE - 1):
            self._close_tiles()

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash at *index*, which must be in the tree and not before ``first``."""
        return self._spools[0][index - self.first]

    def root(self, size: int) -> bytes:
        """
        Return the root over the first *size* leaves, RFC 6962 §2.1.

        Args:
            size: ``first`` up to ``size``; ``seeds`` must be there where ``first`` is above 0.
        """
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        root: bytes | None = None
        for level in levels:
            node = self._node(level, (size >> level) - 1)
            root = node if root is None else node_hash(node, root)
        return EMPTY_ROOT if root is None else root

    def close(self) -> None:
        """Give temporary files back."""
        for spool in self._spools:
            spool.close()

    def _start(self, tile_level: int) -> int:
        """Return the position of the first stored node of this tile level."""
        return -(-self.first >> (_TILE_HEIGHT * tile_level))

    def _close_tiles(self) -> None:
        level, size = 0, self.size
        while not size & (_TILE - 1):
            hashes, self._recent[level] = self._recent[level], []
            if len(hashes) < _TILE:
                return  # the tile began before the dump did
            while len(hashes) > 1:
                hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
            level, size = level + 1, size >> _TILE_HEIGHT
            if level == len(self._spools):
                self._spools.append(Spool(HASH_BYTES))
                self._recent.append([])
            self._spools[level].append(hashes[0])
            self._recent[level].append(hashes[0])

    def _node(self, level: int, position: int) -> bytes:
        seed = self.seeds.get((level, position))
        if seed is not None:
            return seed
        tile_level, rest = divmod(level, _TILE_HEIGHT)
        if rest == 0 and tile_level < len(self._spools):
            index = position - self._start(tile_level)
            if 0 <= index < len(self._spools[tile_level]):
                return self._spools[tile_level][index]
        if level == 0:
            raise LookupError(f"leaf {position} is not in the tree")
        return node_hash(self._node(level - 1, 2 * position), self._node(level - 1, 2 * position + 1))
