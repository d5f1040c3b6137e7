"""RFC 6962 §2.1 against the vectors and against its recursive definition."""

import base64

import pytest
from governlayer_server.domain.ledger.tree import (
    Edge,
    edge_bytes,
    edge_from_bytes,
    grow,
    leaf_hash,
    root,
)

from tests.fakes.rfc6962 import mth
from tests.fakes.vectors import read_json, record_lines

TREE = read_json("tree.json")
RECORDS = record_lines("three-hundred.gldump")


def edges(count: int) -> list[Edge]:
    """The edges of the trees of size 0 to *count* over the records of the vectors."""
    grown = [Edge()]
    for record in RECORDS[:count]:
        grown.append(grow(grown[-1], leaf_hash(record)))
    return grown


def test_the_vectors_have_all_the_leaves() -> None:
    assert len(RECORDS) == 300


@pytest.mark.parametrize("size", TREE["roots"], ids=str)
def test_roots_are_those_of_the_vectors(size: str) -> None:
    assert root(edges(int(size))[-1]) == base64.b64decode(TREE["roots"][size])


def test_roots_of_every_size_are_those_of_the_definition() -> None:
    for size, edge in enumerate(edges(130)):
        assert root(edge) == mth(RECORDS[:size])
        assert (edge.size, len(edge.hashes)) == (size, size.bit_count())


def test_the_tree_of_two_leaves_differs_from_one_leaf_of_their_hashes() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert root(grow(grow(Edge(), left), right)) != leaf_hash(left + right)


def test_an_edge_is_stored_and_read_back() -> None:
    for edge in edges(70):
        assert edge_from_bytes(edge.size, edge_bytes(edge)) == edge


@pytest.mark.parametrize(("size", "stored"), [(0, 32), (1, 0), (1, 31), (1, 33), (1, 64), (3, 32), (4, 64), (7, 128)])
def test_a_stored_edge_of_the_wrong_length_is_refused(size: int, stored: int) -> None:
    with pytest.raises(ValueError, match=r"edge of a tree|32 bytes each"):
        edge_from_bytes(size, bytes(stored))
