from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from governlayer._note import parse_key, signers
from governlayer._receipt import parse_receipt, proven_record
from governlayer._tree import ProofError, consistent_roots, included_root
from hypothesis import given
from hypothesis import strategies as st

from tests.sdk.ledger_builder import path, sha256, subproof, tree_root

VECTORS = Path(__file__).parents[1] / "vectors" / "ledger-v1"
LEAVES = [sha256(bytes([n])) for n in range(40)]
ROOTS = [tree_root(LEAVES[:size]) for size in range(41)]


def decoded(hashes: list[str]) -> list[bytes]:
    return [base64.b64decode(each) for each in hashes]


@pytest.mark.parametrize("size", range(1, 24))
def test_every_leaf_leads_to_the_root(size):
    for index in range(size):
        assert included_root(index, size, LEAVES[index], path(index, LEAVES[:size])) == ROOTS[size]


@pytest.mark.parametrize("size", range(2, 24))
def test_every_smaller_tree_is_the_beginning(size):
    for old in range(1, size):
        proof = subproof(old, LEAVES[:size])
        assert consistent_roots(old, size, ROOTS[old], proof) == (ROOTS[old], ROOTS[size])


def test_the_vectors_of_the_specification_hold():
    tree = json.loads((VECTORS / "tree.json").read_text())
    lines = (VECTORS / "dumps" / "three-hundred.gldump").read_bytes().split(b"\n")
    leaves = [sha256(b"\0" + line) for line in lines if line.startswith(b'{"actor":')]
    assert {size: base64.b64encode(tree_root(leaves[: int(size)])).decode() for size in tree["roots"]} == tree["roots"]
    for case in tree["inclusion"]:
        root = included_root(case["index"], case["size"], leaves[case["index"]], decoded(case["hashes"]))
        assert root == tree_root(leaves[: case["size"]])
    for case in tree["consistency"]:
        old, new = case["from"], case["to"]
        if old < new:
            roots = tree_root(leaves[:old]), tree_root(leaves[:new])
            assert consistent_roots(old, new, roots[0], decoded(case["hashes"])) == roots
    index = json.loads((VECTORS / "index.json").read_text())
    for seq in (0, 17, 299):
        receipt = parse_receipt((VECTORS / f"receipt-{seq}.tlog-proof").read_text())
        assert proven_record(receipt).seq == seq
        assert signers(receipt.checkpoint, [parse_key(index["verifier_key"])])


@given(st.data())
def test_a_changed_proof_leads_elsewhere(data):
    size = data.draw(st.integers(2, 40))
    old = data.draw(st.integers(1, size - 1))
    index = data.draw(st.integers(0, size - 1))
    for proof, lead in (
        (path(index, LEAVES[:size]), lambda one: included_root(index, size, LEAVES[index], one) == ROOTS[size]),
        (
            subproof(old, LEAVES[:size]),
            lambda one: consistent_roots(old, size, ROOTS[old], one) == (ROOTS[old], ROOTS[size]),
        ),
    ):
        at = data.draw(st.integers(0, len(proof) - 1))
        assert lead(proof)
        other = data.draw(st.sampled_from([hash_ for hash_ in (*LEAVES, *ROOTS) if hash_ != proof[at]]))
        assert not lead([*proof[:at], other, *proof[at + 1 :]])
        for wrong in (
            proof[:-1],
            proof[1:],
            [*proof, other],
            [other, *proof],
            [*proof[:at], b"short", *proof[at + 1 :]],
        ):
            with pytest.raises(ProofError):
                lead(wrong)


@pytest.mark.parametrize(("old", "new"), [(0, 4), (4, 4), (5, 4), (-1, 4)])
def test_there_is_no_proof_where_nothing_grew(old, new):
    with pytest.raises(ProofError):
        consistent_roots(old, new, ROOTS[4], [])


@pytest.mark.parametrize(("index", "size"), [(4, 4), (5, 4), (-1, 4), (0, 0)])
def test_there_is_no_leaf_outside_the_tree(index, size):
    nearest = min(max(index, 0), 3)
    with pytest.raises(ProofError):
        included_root(index, size, LEAVES[nearest], path(nearest, LEAVES[:4]))
