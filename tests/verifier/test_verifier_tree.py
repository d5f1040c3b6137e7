"""The Merkle tree: ledger-v1 §4, against the recursive definitions of RFC 6962."""

import hashlib

import pytest
from governlayer_verifier.tree import (
    ProofError,
    Tree,
    leaf_hash,
    left_siblings,
    node_hash,
    roots_from_consistency,
    verify_consistency,
    verify_inclusion,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.ledger_writer import consistency_path, inclusion_path, tree_root

LEAVES = [hashlib.sha256(b"\0" + bytes([i & 255, i >> 8])).digest() for i in range(1100)]


def grown(first: int, size: int) -> Tree:
    tree = Tree(first)
    for leaf in LEAVES[first:size]:
        tree.append(leaf)
    return tree


def test_hashes_are_those_of_the_known_answers() -> None:
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    expected = "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert node_hash(b"N123", b"N456").hex() == expected


def test_every_small_root_is_that_of_the_definition() -> None:
    tree = grown(0, 70)
    for size in range(71):
        assert tree.root(size) == tree_root(LEAVES[:size])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1100), st.data())
def test_root_at_any_earlier_size_is_that_of_the_definition(size: int, data: st.DataObject) -> None:
    tree = grown(0, size)
    earlier = data.draw(st.integers(0, size))
    assert tree.root(earlier) == tree_root(LEAVES[:earlier])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_tree_that_begins_later_has_the_same_roots(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 1100))
    first = data.draw(st.integers(1, size - 1))
    proven_in = data.draw(st.integers(first + 1, 1100))
    tree = grown(first, size)
    tree.seeds = left_siblings(first, proven_in, inclusion_path(first, LEAVES[:proven_in]))
    for at in {first, size, data.draw(st.integers(first, size))}:
        assert tree.root(at) == tree_root(LEAVES[:at])


@settings(deadline=None)
@given(st.data())
def test_inclusion_holds_for_the_true_leaf_alone(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_path(index, LEAVES[:size]), tree_root(LEAVES[:size])
    assert verify_inclusion(index, size, LEAVES[index], proof, root)
    other = data.draw(st.integers(0, 1099).filter(lambda each: each != index))
    assert not verify_inclusion(index, size, LEAVES[other], proof, root)
    if other < size:
        assert not verify_inclusion(other, size, LEAVES[index], proof, root)


@settings(deadline=None)
@given(st.data())
def test_a_changed_inclusion_proof_does_not_hold(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_path(index, LEAVES[:size]), tree_root(LEAVES[:size])
    for changed in mutations(proof, data):
        assert not verify_inclusion(index, size, LEAVES[index], changed, root)


@settings(deadline=None)
@given(st.data())
def test_consistency_holds_for_the_true_roots_alone(data: st.DataObject) -> None:
    size2 = data.draw(st.integers(1, 300))
    size1 = data.draw(st.integers(1, size2))
    proof = consistency_path(size1, LEAVES[:size2])
    root1, root2 = tree_root(LEAVES[:size1]), tree_root(LEAVES[:size2])
    assert verify_consistency(size1, size2, root1, root2, proof)
    assert not verify_consistency(size1, size2, LEAVES[5], root2, proof) or root1 == LEAVES[5]
    assert not verify_consistency(size1, size2, root1, LEAVES[5], proof)
    for changed in mutations(proof, data):
        assert not verify_consistency(size1, size2, root1, root2, changed)


def mutations(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    changed = [[*proof, LEAVES[0]], [*proof, b""]]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        bit = data.draw(st.integers(0, 255))
        flipped = bytearray(proof[at])
        flipped[bit // 8] ^= 1 << bit % 8
        changed += [
            proof[:-1],
            proof[1:],
            [*proof[:at], bytes(flipped), *proof[at + 1 :]],
            [*proof[:at], proof[at][:31], *proof[at + 1 :]],
            [*proof[:at], proof[at] + b"\0", *proof[at + 1 :]],
        ]
    return changed


@pytest.mark.parametrize(("size1", "size2"), [(0, 0), (0, 5), (6, 5), (-1, 3)])
def test_impossible_sizes_have_no_consistency(size1: int, size2: int) -> None:
    with pytest.raises(ProofError):
        roots_from_consistency(size1, size2, LEAVES[0], [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (6, 5), (-1, 5)])
def test_impossible_positions_are_not_included(index: int, size: int) -> None:
    assert not verify_inclusion(index, size, LEAVES[0], [], LEAVES[0])


def test_a_leaf_hash_of_another_length_is_refused() -> None:
    assert not verify_inclusion(0, 1, b"short", [], b"short")
    assert not verify_consistency(1, 1, b"short", b"short", [])


def test_a_leaf_that_was_never_there_is_an_error_not_a_loop() -> None:
    with pytest.raises(LookupError):
        grown(0, 3).root(4)


def test_a_proof_for_another_size_is_too_short_or_too_long_though_its_root_fits() -> None:
    leaf, other = LEAVES[0], LEAVES[1]
    assert verify_inclusion(0, 1, leaf, [], leaf)
    assert not verify_inclusion(0, 2, leaf, [], leaf)
    assert not verify_inclusion(0, 1, leaf, [other], node_hash(other, leaf))
    assert not verify_consistency(1, 4, leaf, node_hash(leaf, other), [other])
    assert not verify_consistency(1, 2, leaf, node_hash(node_hash(leaf, other), other), [other, other])
    for size in (2, 3, 5, 9):
        proof, root = inclusion_path(0, LEAVES[:size]), tree_root(LEAVES[:size])
        assert not verify_inclusion(0, 2 * size, leaf, proof, root)
        with pytest.raises(ProofError, match="too few"):
            left_siblings(0, 2 * size, proof)
