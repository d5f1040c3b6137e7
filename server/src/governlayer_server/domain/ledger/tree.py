"""
RFC 6962 Merkle tree, kept as its right edge (a compact range).

The edge of a tree of size n holds the root of one perfect subtree for each 1 bit of n, largest first: enough to
append, to compute the root, and to prove the newest leaf, in O(log n) state.
"""

from hashlib import sha256

from msgspec import Struct

HASH_BYTES = 32


def leaf_hash(data: bytes) -> bytes:
    """Return the leaf hash of *data*, 32 bytes: SHA-256(0x00 ‖ data) (RFC 6962 §2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


class Edge(Struct, frozen=True):
    """The right edge of a tree: its size and the roots of its perfect subtrees, largest first, 32 bytes each."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()


def perfect_subtrees(size: int) -> list[tuple[int, int]]:
    """
    Return level and index of the perfect subtrees that a tree of *size* leaves is made of, largest first.

    A subtree of level l and index i stands over the leaves i·2^l to (i + 1)·2^l - 1; an ``Edge`` holds their roots.
    """
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    return [(level, (size >> level) - 1) for level in levels]


def grow(edge: Edge, leaf: bytes) -> Edge:
    """
    Return the edge after one more leaf.

    Args:
        edge: the tree so far.
        leaf: the new leaf's hash (``leaf_hash``), 32 bytes.
    """
    hashes = list(edge.hashes)
    carried, size = leaf, edge.size
    while size & 1:
        carried = node_hash(hashes.pop(), carried)
        size >>= 1
    return Edge(edge.size + 1, (*hashes, carried))


def root(edge: Edge) -> bytes:
    """Return the root of the tree, 32 bytes; SHA-256 of nothing for the empty tree (RFC 6962 §2.1)."""
    if not edge.hashes:
        return sha256(b"").digest()
    result = edge.hashes[-1]
    for subtree in reversed(edge.hashes[:-1]):
        result = node_hash(subtree, result)
    return result


def edge_bytes(edge: Edge) -> bytes:
    """Return the hashes of *edge* joined, for storage beside its size."""
    return b"".join(edge.hashes)


def edge_from_bytes(size: int, stored: bytes) -> Edge:
    """
    Return the edge stored by ``edge_bytes``.

    Raises:
        ValueError: the number of hashes does not fit *size*.
    """
    hashes = hashes_from_bytes(stored)
    if len(hashes) != size.bit_count():
        raise ValueError(f"the edge of a tree of size {size} has {size.bit_count()} hashes")
    return Edge(size, hashes)


def hashes_from_bytes(stored: bytes) -> tuple[bytes, ...]:
    """
    Return the hashes that were joined.

    Raises:
        ValueError: *stored* does not end with a whole hash.
    """
    if len(stored) % HASH_BYTES:
        raise ValueError("hashes are 32 bytes each")
    return tuple(stored[start : start + HASH_BYTES] for start in range(0, len(stored), HASH_BYTES))
