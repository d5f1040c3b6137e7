"""ledger-v1 §2 to §4: records appended together are placed, linked and proven as if each had come alone."""

import json

import pytest
import rfc8785
from governlayer_server.domain.errors import LedgerFormatError, ProofError
from governlayer_server.domain.ledger.canonical import MAX_BYTES
from governlayer_server.domain.ledger.chain import empty_head
from governlayer_server.domain.ledger.growth import Growth, Prepared, extend
from governlayer_server.domain.ledger.proofs import root_from_inclusion
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft, Record
from governlayer_server.domain.ledger.tree import leaf_hash, perfect_subtrees
from governlayer_server.domain.times import time_text
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.rfc6962 import mth, path

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
BODY = st.dictionaries(
    st.text(st.characters(min_codepoint=1, max_codepoint=126), max_size=8),
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT | st.lists(TEXT, max_size=3),
    max_size=6,
)


def draft(body: dict[str, object], **commitments: str) -> Draft:
    return Draft(type="decision", actor=Actor(id="a", kind=ActorKind.USER), body=body, commitments=commitments)


@given(BODY, TEXT, st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**52))
def test_a_record_at_its_place_is_the_canonical_form_of_its_eight_members(
    body: dict[str, object], actor: str, seq: int, prev_hash: bytes, time_us: int
) -> None:
    text = time_text(time_us % 10**15)
    one = Draft(type="a.b", actor=Actor(id=actor, kind=ActorKind.SYSTEM), body=body, commitments={"x": "ab" * 32})
    members = {
        "actor": {"id": actor, "kind": "system"}, "body": body, "commitments": {"x": "ab" * 32},
        "prev_hash": prev_hash.hex(), "seq": seq, "time": text, "type": "a.b", "v": 1,
    }  # fmt: skip
    assert Prepared(one).at(seq, prev_hash, text.encode()) == rfc8785.dumps(members)


@given(st.lists(st.integers(1, 20), max_size=12))
def test_batches_of_any_sizes_give_the_ledger_that_single_records_give(batches: list[int]) -> None:
    together = alone = empty_head("a/b")
    leaves: list[bytes] = []
    for count in batches:
        growth = Growth(together, 1_000)
        records: list[Record] = []
        for _ in range(count):
            records.append(growth.append(Prepared(draft({"n": len(leaves)}))))
            single, alone = extend(alone, draft({"n": len(leaves)}), 1_000)
            assert records[-1] == single
            leaves.append(single.canonical)
        together = growth.head
        assert together == alone
        assert growth.root == mth(leaves)
        for record in records:
            proof = growth.inclusion_proof(record.seq)
            assert list(proof) == path(record.seq, leaves)
            leaf = leaf_hash(record.canonical)
            assert root_from_inclusion(leaf, record.seq, len(leaves), proof) == growth.root


def test_a_proof_with_a_hash_too_few_or_too_many_is_none() -> None:
    growth = Growth(empty_head("a/b"), 1)
    records = [growth.append(Prepared(draft({"n": number}))) for number in range(5)]
    for record in records:
        leaf, proof = leaf_hash(record.canonical), growth.inclusion_proof(record.seq)
        for wrong in (proof[1:], proof[:-1], (*proof, bytes(32))):
            with pytest.raises(ProofError):
                root_from_inclusion(leaf, record.seq, 5, wrong)


def test_the_limit_of_a_records_bytes_holds_at_its_place() -> None:
    growth, room = Growth(empty_head("a/b"), 1), 0
    while True:
        prepared = Prepared(draft({"x": "y" * room}))
        length = len(prepared.at(0, bytes(32), time_text(1).encode()))
        if length == MAX_BYTES:
            break
        room += MAX_BYTES - length
    assert len(growth.append(prepared).canonical) == MAX_BYTES
    for number in range(9):
        growth.append(Prepared(draft({"n": number})))
    with pytest.raises(LedgerFormatError, match="16384"):
        growth.append(prepared)  # its seq has two digits now
    assert growth.append(Prepared(draft({}))).seq == 10
    assert json.loads(growth.append(Prepared(draft({}))).canonical)["seq"] == growth.head.size - 1


def test_perfect_subtrees_are_those_of_the_bits_of_the_size() -> None:
    assert perfect_subtrees(0) == []
    assert perfect_subtrees(13) == [(3, 0), (2, 2), (0, 12)]
