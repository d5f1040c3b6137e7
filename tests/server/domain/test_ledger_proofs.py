"""Proofs against the vectors, against the definition of RFC 6962 §2.1, and everything that is not quite a proof."""

import base64
from typing import Any

import pytest
from governlayer_server.domain.errors import ProofError
from governlayer_server.domain.ledger.proofs import (
    Node,
    Range,
    consistency_ranges,
    hashes_of,
    inclusion_ranges,
    nodes_of,
    verify_consistency,
    verify_inclusion,
    whole,
)
from governlayer_server.domain.ledger.tree import leaf_hash
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.rfc6962 import mth, path, proof
from tests.fakes.vectors import decoded, read_json, record_lines

TREE = read_json("tree.json")
RECORDS = record_lines("three-hundred.gldump")
# Leaves and proofs of transparency-dev/merkle, which other implementations are tested with too.
KNOWN = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
KNOWN_ROOT_OF_8 = bytes.fromhex("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")
KNOWN_INCLUSION_5_OF_8 = decoded([
    "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
    "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
    "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
])  # fmt: skip
KNOWN_CONSISTENCY_6_TO_8 = decoded([
    "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
    "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
    "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
])  # fmt: skip
SIZES = st.integers(1, 90)


def nodes(leaves: list[bytes], ranges: list[Range]) -> dict[Node, bytes]:
    """The subtrees that *ranges* ask for, by the definition."""
    asked = nodes_of(ranges)
    return {node: mth(leaves[node.n << node.level : (node.n + 1) << node.level]) for node in asked}


def inclusion(leaves: list[bytes], seq: int) -> tuple[bytes, ...]:
    ranges = inclusion_ranges(seq, len(leaves))
    return hashes_of(ranges, nodes(leaves, ranges))


def consistency(leaves: list[bytes], first: int) -> tuple[bytes, ...]:
    ranges = consistency_ranges(first, len(leaves))
    return hashes_of(ranges, nodes(leaves, ranges))


def flipped(hashes: tuple[bytes, ...], which: int) -> tuple[bytes, ...]:
    one = bytes([hashes[which][0] ^ 1]) + hashes[which][1:]
    return (*hashes[:which], one, *hashes[which + 1 :])


@given(SIZES, st.data())
def test_proofs_are_those_of_the_definition_and_hold(size: int, data: st.DataObject) -> None:
    leaves, seq = RECORDS[:size], data.draw(st.integers(0, size - 1))
    assert list(inclusion(leaves, seq)) == path(seq, leaves)
    verify_inclusion(leaf_hash(leaves[seq]), seq, size, inclusion(leaves, seq), mth(leaves))
    assert list(consistency(leaves, seq + 1)) == proof(seq + 1, leaves)
    verify_consistency(seq + 1, size, mth(leaves[: seq + 1]), mth(leaves), consistency(leaves, seq + 1))
    assert whole(size).hash(nodes(leaves, [whole(size)])) == mth(leaves)


def test_the_empty_tree_has_no_nodes_and_the_root_of_nothing() -> None:
    assert whole(0).nodes() == []
    assert whole(0).hash({}) == mth([])


@given(SIZES, st.data())
def test_a_proof_that_was_changed_does_not_hold(size: int, data: st.DataObject) -> None:
    leaves, seq = RECORDS[:size], data.draw(st.integers(0, size - 1))
    good, leaf, root = inclusion(leaves, seq), leaf_hash(leaves[seq]), mth(leaves)
    wrong = [(*good, root), good[:-1], good[::-1], (*good[:1], *good), *(flipped(good, i) for i in range(len(good)))]
    for bad in wrong:
        if bad != good:
            with pytest.raises(ProofError):
                verify_inclusion(leaf, seq, size, bad, root)
    for other in {0, seq - 1, seq + 1, size - 1} - {seq}:
        with pytest.raises(ProofError):
            verify_inclusion(leaf, other, size, good, root)
    with pytest.raises(ProofError):
        verify_inclusion(leaf, seq, size, good, mth(RECORDS[1 : size + 1]))


@given(SIZES, st.data())
def test_a_consistency_proof_that_was_changed_does_not_hold(size: int, data: st.DataObject) -> None:
    leaves, first = RECORDS[:size], data.draw(st.integers(1, size))
    good, older, newer = consistency(leaves, first), mth(leaves[:first]), mth(leaves)
    wrong = [(*good, newer), good[:-1], good[::-1], (*good[:1], *good), *(flipped(good, i) for i in range(len(good)))]
    for bad in wrong:
        if bad != good:
            with pytest.raises(ProofError):
                verify_consistency(first, size, older, newer, bad)
    other = mth(RECORDS[1 : size + 1])
    for roots in ((other, newer), (older, other), *([(newer, older)] if first < size else [])):
        with pytest.raises(ProofError):
            verify_consistency(first, size, *roots, good)


@pytest.mark.parametrize("vector", TREE["inclusion"], ids=lambda one: f"{one['index']} of {one['size']}")
def test_inclusion_proofs_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    seq, size, hashes = vector["index"], vector["size"], vector["hashes"]
    assert inclusion(RECORDS[:size], seq) == decoded(hashes)
    verify_inclusion(leaf_hash(RECORDS[seq]), seq, size, decoded(hashes), mth(RECORDS[:size]))


@pytest.mark.parametrize("vector", TREE["consistency"], ids=lambda one: f"{one['from']} to {one['to']}")
def test_consistency_proofs_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    first, second, hashes = vector["from"], vector["to"], vector["hashes"]
    assert consistency(RECORDS[:second], first) == decoded(hashes)
    roots = [base64.b64decode(TREE["roots"][str(size)]) for size in (first, second) if str(size) in TREE["roots"]]
    assert set(roots) <= {mth(RECORDS[:first]), mth(RECORDS[:second])}
    verify_consistency(first, second, mth(RECORDS[:first]), mth(RECORDS[:second]), decoded(hashes))


def test_proofs_that_others_publish_hold() -> None:
    assert mth(KNOWN) == KNOWN_ROOT_OF_8
    assert inclusion(KNOWN, 5) == KNOWN_INCLUSION_5_OF_8
    verify_inclusion(leaf_hash(KNOWN[5]), 5, 8, KNOWN_INCLUSION_5_OF_8, KNOWN_ROOT_OF_8)
    assert consistency(KNOWN, 6) == KNOWN_CONSISTENCY_6_TO_8
    verify_consistency(6, 8, mth(KNOWN[:6]), KNOWN_ROOT_OF_8, KNOWN_CONSISTENCY_6_TO_8)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_what_is_not_as_long_as_a_hash_is_refused(length: int) -> None:
    odd, root = bytes(length), mth(KNOWN)
    for leaf, proof_, top in (
        (odd, KNOWN_INCLUSION_5_OF_8, root),
        (leaf_hash(KNOWN[5]), (*KNOWN_INCLUSION_5_OF_8[:2], odd), root),
        (leaf_hash(KNOWN[5]), KNOWN_INCLUSION_5_OF_8, odd),
    ):
        with pytest.raises(ProofError, match="32 bytes"):
            verify_inclusion(leaf, 5, 8, proof_, top)
    for older, newer in ((odd, root), (mth(KNOWN[:6]), odd), (odd, odd)):
        with pytest.raises(ProofError, match="32 bytes"):
            verify_consistency(6, 8, older, newer, KNOWN_CONSISTENCY_6_TO_8)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 8), (-1, 8), (9, 8), (8, 0)])
def test_sizes_that_no_proof_is_about_are_refused(first: int, second: int) -> None:
    with pytest.raises(ProofError, match="at least 1 leaf"):
        verify_consistency(first, second, KNOWN_ROOT_OF_8, KNOWN_ROOT_OF_8, ())


@pytest.mark.parametrize(("seq", "size"), [(-1, 8), (8, 8), (0, 0), (0, -1)])
def test_leaves_outside_the_tree_are_refused(seq: int, size: int) -> None:
    with pytest.raises(ProofError, match="no leaf"):
        verify_inclusion(KNOWN_ROOT_OF_8, seq, size, (), KNOWN_ROOT_OF_8)
