"""Canonical bytes: ledger-v1 §2.1."""

import json
from typing import Any

import pytest
import rfc8785
from governlayer_verifier.canonical import MAX_BYTES, MAX_INTEGER, decode_utf8, parse, read_canonical, serialize
from governlayer_verifier.errors import FormatError
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.text(st.characters(min_codepoint=1, max_codepoint=127), max_size=8)
STRINGS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | STRINGS
# Three levels of containers at most stay below the depth limit.
LEVEL1 = st.lists(SCALARS, max_size=4) | st.dictionaries(NAMES, SCALARS, max_size=4)
LEVEL2 = st.lists(SCALARS | LEVEL1, max_size=4) | st.dictionaries(NAMES, SCALARS | LEVEL1, max_size=4)
VALUES = st.dictionaries(NAMES, SCALARS | LEVEL1 | LEVEL2, max_size=6)


@given(VALUES)
def test_serialization_is_that_of_an_independent_jcs_package(value: dict[str, Any]) -> None:
    assert serialize(value).encode() == rfc8785.dumps(value)


@given(VALUES)
def test_canonical_bytes_are_read_back_without_a_fault(value: dict[str, Any]) -> None:
    assert read_canonical(rfc8785.dumps(value).decode()) == (value, None)


@given(VALUES.filter(bool), st.sampled_from([", ", "\n,", " ,"]))
def test_any_other_white_space_is_a_fault(value: dict[str, Any], separator: str) -> None:
    spaced = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(separator, ": "))
    assert read_canonical(spaced)[1] is not None


@given(VALUES)
def test_members_out_of_order_are_a_fault(value: dict[str, Any]) -> None:
    value = {"zz~": 1, **{name: each for name, each in value.items() if name < "zz~"}}
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert (read_canonical(text)[1] is None) == (len(value) == 1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a":1.5}', "not an integer"),
        ('{"a":1e3}', "not an integer"),
        ('{"a":1.0}', "not an integer"),
        ('{"a":1e999}', "not an integer"),
        ('{"a":-0}', "re-serialization"),
        ('{"a":9007199254740992}', "2^53"),
        ('{"a":-9007199254740992}', "2^53"),
        ('{"a":' + "9" * 10_000 + "}", "2^53"),
        ('{"a":"\\u0000"}', "U+0000"),
        ('{"\\u0000":1}', "U+0000"),
        ('{"a":"\\ud800"}', "surrogate"),
        ('{"a":"\\udc00\\ud800"}', "surrogate"),
        ('{"a":"\\ud83d\\ude00"}', "re-serialization"),
        ('{"a":"\\u00e9"}', "re-serialization"),
        ('{"a":"\\u000A"}', "re-serialization"),
        ('{"a":"\\/"}', "re-serialization"),
        ('{"é":1}', "not ASCII"),
        ('{"a":{"é":1}}', "not ASCII"),
        ("[" * 9 + "]" * 9, "deeper"),
        ("[" * 300 + "]" * 300, "deeper"),
        ('{"a":"' + "x" * MAX_BYTES + '"}', "longer"),
        ('{"a":"' + "é" * (MAX_BYTES // 2) + '"}', "longer"),
        ('{"a":1} ', "re-serialization"),
        (' {"a":1}', "re-serialization"),
    ],
)
def test_what_the_specification_refuses_is_named(text: str, fault: str) -> None:
    found = read_canonical(text)[1]
    assert found is not None
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "[" * 8 + "]" * 8,
        '{"a":9007199254740991,"b":-9007199254740991}',
        '{"a":"\\\\u0000"}',
        '{"a":"' + "x" * (MAX_BYTES - 8) + '"}',
        '{"a":"\x7f"}',
    ],
)
def test_the_last_allowed_value_is_allowed(text: str) -> None:
    assert read_canonical(text)[1] is None


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a":{"b":1,"b":2}}',
        '{"a":1,"\\u0061":1}',
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":-Infinity}',
        '{"a":01}',
        '{"a":1',
        "",
        '{"a":1}{"b":1}',
        "{'a':1}",
        '{"a":1,}',
        '{"a":"\n"}',
        '\ufeff{"a":1}',
        "[" * 100_000,
    ],
)
def test_what_is_no_strict_json_does_not_parse(text: str) -> None:
    with pytest.raises(FormatError):
        read_canonical(text)
    with pytest.raises(FormatError):
        parse(text)


@pytest.mark.parametrize("line", [b"\xff", b'{"a":"\xed\xa0\x80"}', b"\xc0\x80", b"\xf5\x80\x80\x80", b'"\xe2\x82'])
def test_bytes_that_are_no_utf8_do_not_parse(line: bytes) -> None:
    with pytest.raises(FormatError):
        decode_utf8(line)
