"""
The Merkle tree of ledger-v1 §4: what an inclusion or a consistency proof leads to.

Both functions follow the recursive definitions of RFC 6962 §2.1.1 and §2.1.2 from the root downwards. A proof
lists the deepest hash first, so each level takes its hash from the end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32
MAX_HASHES: Final = 64  # a tree has fewer than 2^63 leaves; a consistency proof one hash more than levels


class ProofError(ValueError):
    """A proof cannot belong to these sizes."""


def leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 ‖ *data*)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 ‖ *left* ‖ *right*)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def included_root(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """
    Return the root of the tree of *size* leaves that *proof* leads to from *leaf* at *index*.

    Args:
        index: the leaf's place, from 0.
        size: how many leaves there are, more than *index*.
        leaf: the leaf's hash.
        proof: RFC 6962 §2.1.1, 32 bytes a hash.

    Raises:
        ProofError: *proof* has too many or too few hashes, or *index* is no leaf's.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size}")
    left = _checked(proof)
    root = _from_leaf(index, size, leaf, left)
    _require_used(left)
    return root


def consistent_roots(old_size: int, size: int, old_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """
    Return the roots of both trees that *proof* leads to: it holds if they are the two that were signed.

    Args:
        old_size: leaves of the smaller tree, 1 or more.
        size: leaves of the larger tree, more than *old_size*.
        old_root: the smaller tree's root; the proof itself leaves it out where it is a node of the larger one.
        proof: RFC 6962 §2.1.2, 32 bytes a hash.

    Raises:
        ProofError: *proof* has too many or too few hashes, or there is nothing to prove between the sizes.
    """
    if not 0 < old_size < size:
        raise ProofError(f"there is no growth from {old_size} to {size}")
    left = _checked(proof)
    roots = _from_subtree(old_size, size, old_root, left)
    _require_used(left)
    return roots


def _from_leaf(index: int, size: int, leaf: bytes, left: list[bytes]) -> bytes:
    if size == 1:
        return leaf
    sibling, half = _take(left), _largest_power_below(size)
    if index < half:
        return node_hash(_from_leaf(index, half, leaf, left), sibling)
    return node_hash(sibling, _from_leaf(index - half, size - half, leaf, left))


def _from_subtree(old_size: int, size: int, old_root: bytes | None, left: list[bytes]) -> tuple[bytes, bytes]:
    """Return both roots below one node; *old_root* is known while the smaller tree begins where the node does."""
    if old_size == size:
        same = _take(left) if old_root is None else old_root
        return same, same
    sibling, half = _take(left), _largest_power_below(size)
    if old_size <= half:
        old, new = _from_subtree(old_size, half, old_root, left)
        return old, node_hash(new, sibling)
    old, new = _from_subtree(old_size - half, size - half, None, left)
    return node_hash(sibling, old), node_hash(sibling, new)


def _largest_power_below(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def _checked(proof: Sequence[bytes]) -> list[bytes]:
    if len(proof) > MAX_HASHES or any(len(each) != HASH_BYTES for each in proof):
        raise ProofError(f"a proof is at most {MAX_HASHES} hashes of {HASH_BYTES} bytes")
    return list(proof)


def _take(left: list[bytes]) -> bytes:
    if not left:
        raise ProofError("the proof has too few hashes")
    return left.pop()


def _require_used(left: list[bytes]) -> None:
    if left:
        raise ProofError("the proof has too many hashes")
