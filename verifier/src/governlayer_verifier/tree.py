"""The Merkle tree of ledger-v1 §4: RFC 6962 §2.1 hashes, proofs, and a tree that may begin anywhere.

Leaves are kept as a spool of hashes plus one hash per 256 of them per level (the layout of
c2sp.org/tlog-tiles), so the root at any size met so far can be computed again from a few hundred hashes. That is
what lets a checkpoint stand anywhere after its last record.
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from governlayer_verifier.spool import Spool

EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32
_TILE_HEIGHT = 8
_TILE = 1 << _TILE_HEIGHT
_TILE_BYTES = _TILE * HASH_BYTES


class ProofError(ValueError):
    """A proof has the wrong number of hashes, a hash of the wrong length, or impossible sizes."""


def leaf_hash(record: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ *record*), RFC 6962 §2.1."""
    return sha256(b"\0" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ *left* ‖ *right*), RFC 6962 §2.1."""
    return sha256(b"\1" + left + right).digest()


def subtree_root(hashes: bytes) -> bytes:
    """Return the root over *hashes*, a power of two of them, one after the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\1" + hashes[at : at + 64]).digest() for at in pairs])
    return hashes


def whole_tiles(start: int, leaves: bytes) -> bytes:
    """
    Return the roots of the tiles of 256 leaves that lie wholly within *leaves*, one after the other.

    Args:
        start: position of the first leaf in its tree.
        leaves: leaf hashes, one after the other.
    """
    first = -start % _TILE * HASH_BYTES
    ends = range(first + _TILE_BYTES, len(leaves) + 1, _TILE_BYTES)
    return b"".join(subtree_root(leaves[end - _TILE_BYTES : end]) for end in ends)


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

    def append(self, leaf: bytes) -> None:
        """Add the next leaf hash."""
        self.extend(leaf)

    def extend(self, leaves: bytes, tiles: bytes = b"") -> None:
        """
        Add the next leaf hashes.

        Args:
            leaves: leaf hashes, one after the other.
            tiles: what ``whole_tiles`` returns for them at this size, where that was computed already.
        """
        at = 0
        while at < len(leaves):
            piece = leaves[at : at + (_TILE - self.size % _TILE) * HASH_BYTES]
            self._spools[0].append(piece)
            self.size += len(piece) // HASH_BYTES
            at += len(piece)
            if self.size % _TILE == 0:
                is_whole = len(piece) == _TILE_BYTES
                self._close_tiles(tiles[:HASH_BYTES] if is_whole else b"")
                tiles = tiles[HASH_BYTES:] if is_whole else tiles

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

    def _close_tiles(self, root: bytes) -> None:
        """Store the roots of the tiles that end here; *root* is that of the lowest, empty where not known."""
        level, size = 0, self.size
        while size % _TILE == 0:
            begin = size - _TILE - self._start(level)
            if begin < 0:
                return  # the tile began before the dump did
            root = root or subtree_root(self._spools[level].span(begin, _TILE))
            level, size = level + 1, size >> _TILE_HEIGHT
            if level == len(self._spools):
                self._spools.append(Spool(HASH_BYTES))
            self._spools[level].append(root)
            root = b""

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
