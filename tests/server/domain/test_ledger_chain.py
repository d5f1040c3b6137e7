"""ledger-v1 §2 and §3 against the vectors."""

import json
from hashlib import sha256
from typing import Any

import pytest
from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import canonical_bytes
from governlayer_server.domain.ledger.chain import SEED, empty_head, genesis_hash
from governlayer_server.domain.ledger.growth import extend
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.domain.ledger.tree import leaf_hash
from governlayer_server.domain.times import parse_time

from tests.fakes.vectors import draft_of, read_json, record_lines

HASHES = read_json("hashes.json")
ACTOR = Actor(id="k", kind=ActorKind.API_KEY)
GOOD_HASH = "ab" * 32


def test_the_seed_is_that_of_the_specification() -> None:
    assert SEED == HASHES["seed"] == sha256(b"GOVERNLAYER_GENESIS").hexdigest()


@pytest.mark.parametrize("vector", HASHES["genesis"], ids=lambda vector: vector["origin"])
def test_genesis_hashes_are_those_of_the_vectors(vector: dict[str, str]) -> None:
    assert genesis_hash(vector["origin"]).hex() == vector["hash"]
    assert canonical_bytes(json.loads(vector["canonical"])).decode() == vector["canonical"]


@pytest.mark.parametrize("origin", ["", "a" * 256, "a b", "a\n", "\na", "é", "a:b", "a+b", "a/b?", "a\0"])
def test_an_origin_outside_its_grammar_is_refused(origin: str) -> None:
    with pytest.raises(LedgerFormatError):
        genesis_hash(origin)


def test_the_longest_origin_is_admitted() -> None:
    assert len(genesis_hash("a" * 255)) == 32


@pytest.mark.parametrize("vector", HASHES["records"], ids=lambda vector: str(json.loads(vector["canonical"])["seq"]))
def test_record_and_leaf_hashes_are_those_of_the_vectors(vector: dict[str, str]) -> None:
    canonical = canonical_bytes(json.loads(vector["canonical"]))
    assert canonical.decode() == vector["canonical"]
    assert sha256(canonical).hexdigest() == vector["hash"]
    assert leaf_hash(canonical).hex() == vector["leaf_hash"]


@pytest.mark.parametrize("name", ["one.gldump", "twenty.gldump", "erased.gldump", "three-hundred.gldump"])
def test_extending_an_empty_ledger_gives_the_records_of_the_vectors_byte_for_byte(name: str) -> None:
    head = empty_head(HASHES["genesis"][0]["origin"])
    for line in record_lines(name):
        before = head
        record, head = extend(head, draft_of(line), parse_time(json.loads(line)["time"]))
        assert record.canonical == line
        assert (record.seq, record.prev_hash, head.size) == (before.size, before.hash, before.size + 1)
        assert head.hash == record.hash == sha256(line).digest()


def test_a_clock_that_goes_back_does_not_take_time_back() -> None:
    draft = Draft(type="decision", actor=ACTOR, body={})
    first, head = extend(empty_head("a/b"), draft, 1_000)
    second, head = extend(head, draft, 999)
    third, _ = extend(head, draft, 1_001)
    assert [first.time_us, second.time_us, third.time_us] == [1_000, 1_000, 1_001]
    assert b'"time":"1970-01-01T00:00:00.001000Z"' in second.canonical


@pytest.mark.parametrize(
    "record_type", ["", "A", "a.", ".a", "a..b", "a b", "a-b", "a1", "a\n", "é", "a" * 65, "a." * 32 + "a"]
)
def test_a_record_type_outside_its_grammar_is_refused(record_type: str) -> None:
    with pytest.raises(LedgerFormatError):
        Draft(type=record_type, actor=ACTOR, body={})


@pytest.mark.parametrize("record_type", ["a", "decision.outcome", "_._", "a" * 64])
def test_record_types_of_the_grammar_are_admitted(record_type: str) -> None:
    assert Draft(type=record_type, actor=ACTOR, body={}).type == record_type


@pytest.mark.parametrize(
    "commitments",
    [
        {"": GOOD_HASH},
        {"A": GOOD_HASH},
        {"a-b": GOOD_HASH},
        {"a\n": GOOD_HASH},
        {"a" * 33: GOOD_HASH},
        {"a": GOOD_HASH.upper()},
        {"a": GOOD_HASH[:-1]},
        {"a": GOOD_HASH + "0"},
        {"a": GOOD_HASH[:-1] + "\n"},
        {"a": "g" * 64},
        {"abcdefghijklmnopq"[index]: GOOD_HASH for index in range(17)},
    ],
)
def test_commitments_outside_their_grammar_are_refused(commitments: dict[str, str]) -> None:
    with pytest.raises(LedgerFormatError):
        Draft(type="decision", actor=ACTOR, body={}, commitments=commitments)


def test_sixteen_commitments_are_admitted() -> None:
    commitments: dict[str, Any] = {"abcdefghijklmnop"[index]: GOOD_HASH for index in range(16)}
    assert len(Draft(type="decision", actor=ACTOR, body={}, commitments=commitments).commitments) == 16
