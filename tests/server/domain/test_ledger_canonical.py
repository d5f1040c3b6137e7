"""ledger-v1 §2.1: the bytes, and every refusal."""

import json
from types import MappingProxyType
from typing import Any

import pytest
import rfc8785
from governlayer_server.domain.errors import LedgerFormatError
from governlayer_server.domain.ledger.canonical import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, canonical_bytes
from governlayer_server.domain.ledger.record import ActorKind
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.strategies import objects


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@given(objects(5))
def test_the_bytes_are_those_of_rfc_8785(value: dict[str, Any]) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(objects(4))
def test_the_bytes_read_back_as_the_value(value: dict[str, Any]) -> None:
    assert json.loads(canonical_bytes(value)) == value


@given(objects(4), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(value: dict[str, Any], random: Any) -> None:
    shuffled = list(value.items())
    random.shuffle(shuffled)
    assert canonical_bytes(dict(shuffled)) == canonical_bytes(value)


def test_every_character_below_u_0080_is_written_as_rfc_8785_says() -> None:
    for code in range(1, 0x80):
        value = {chr(code): chr(code)}
        assert canonical_bytes(value) == rfc8785.dumps(value), hex(code)


def test_strings_are_not_normalized() -> None:
    assert canonical_bytes({"a": "e\u0301", "b": "é"}) == '{"a":"e\u0301","b":"é"}'.encode()


def test_mappings_sequences_and_string_enums_of_any_kind_are_written_as_json() -> None:
    value = {"a": MappingProxyType({"b": (1, [2])}), "c": ActorKind.USER, "d": range(2)}
    assert canonical_bytes(value) == b'{"a":{"b":[1,[2]]},"c":"user","d":[0,1]}'


def test_the_limits_themselves_are_admitted() -> None:
    assert canonical_bytes({"a": MAX_INTEGER, "b": -MAX_INTEGER}).decode() == f'{{"a":{2**53 - 1},"b":-{2**53 - 1}}}'
    assert canonical_bytes(nested(MAX_DEPTH))
    assert len(canonical_bytes({"a": "x" * (MAX_BYTES - 8)})) == MAX_BYTES


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": 1.0}, id="float"),
        pytest.param({"a": float("nan")}, id="nan"),
        pytest.param({"a": float("inf")}, id="infinity"),
        pytest.param({"a": -0.0}, id="minus zero"),
        pytest.param({"a": MAX_INTEGER + 1}, id="2^53"),
        pytest.param({"a": -MAX_INTEGER - 1}, id="-2^53"),
        pytest.param({"a": "\0"}, id="U+0000"),
        pytest.param({"a": "\ud83d"}, id="lone high surrogate"),
        pytest.param({"a": "\ude00"}, id="lone low surrogate"),
        pytest.param({"é": 1}, id="name not ASCII"),
        pytest.param({"a\0": 1}, id="U+0000 in a name"),
        pytest.param({1: 1}, id="name not text"),
        pytest.param({"a": b"x"}, id="bytes"),
        pytest.param({"a": bytearray(b"x")}, id="bytearray"),
        pytest.param({"a": {1}}, id="set"),
        pytest.param({"a": object()}, id="object"),
        pytest.param({"a": [{"b": [{"c": {"d": 1.5}}]}]}, id="float deep inside"),
        pytest.param(nested(MAX_DEPTH + 1), id="nine levels of objects"),
        pytest.param({"a": [[[[[[[[]]]]]]]]}, id="nine levels with arrays"),
        pytest.param({"a": "x" * (MAX_BYTES - 7)}, id="16,385 bytes"),
        pytest.param({"a": "é" * (MAX_BYTES // 2)}, id="16,384 characters' bytes"),
    ],
)
def test_what_breaks_a_limit_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(LedgerFormatError):
        canonical_bytes(value)
