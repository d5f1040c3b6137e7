"""The one decoder: what it accepts means the same to every reader, what it refuses it names."""

import json
from typing import Any

import pytest
import rfc8785
from governlayer_server.domain.errors import InvalidRequest, MalformedBody
from governlayer_server.web.strict_json import MAX_DEPTH, MAX_INTEGER, decode_json
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.strategies import integers, texts

numbers = integers | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves, lambda below: st.lists(below, max_size=4) | st.dictionaries(texts, below, max_size=4), max_leaves=20
)


@given(values, st.booleans())
def test_what_is_accepted_means_what_json_says(value: Any, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    decoded = decode_json(body)
    assert decoded == json.loads(body) == value
    # 1.0 is 1, and true is not.
    assert rfc8785.dumps(decoded) == rfc8785.dumps(json.loads(body))  # type: ignore[arg-type]


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789.eE+-\\utrfalsn \n\0\ud800', max_size=40))
def test_any_bytes_are_decoded_or_refused_and_never_otherwise(body: bytes | str) -> None:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    try:
        value = decode_json(raw)
    except InvalidRequest:
        return
    assert value == json.loads(raw)


def nested(levels: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * levels + closing * levels).encode()


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b'{"a":1,"a":2}', ["/a"]),
        (b'{"a":{"b":[0,{"c":1,"c":1}]}}', ["/a/b/1/c"]),
        (b'{"a":1,"\\u0061":2}', ["/a"]),
        (b'{"a":1,"a":2,"a":3}', ["/a"]),
        (b'{"":{"":1,"":2}}', ["//"]),
        (b'{"a/b":{"c~d":NaN}}', ["/a~1b/c~0d"]),
        (b"NaN", [""]),
        (b"[1,-Infinity,Infinity]", ["/1", "/2"]),
        (b"[9007199254740992]", ["/0"]),
        (b"[-9007199254740992]", ["/0"]),
        (b'{"n":' + b"9" * 100_000 + b"}", ["/n"]),
        (b'{"n":-' + b"9" * 5_000 + b"}", ["/n"]),
        (b'{"n":00' + b"}", None),
        (b'{"n":1e999}', ["/n"]),
        (b'{"n":-1e999}', ["/n"]),
        (b'{"n":' + b"1" * 400 + b".0}", ["/n"]),
        (b'["\\ud800"]', ["/0"]),
        (b'["a\\udfffb"]', ["/0"]),
        (b'["\\udc00\\ud800"]', ["/0"]),
        (b'{"x":{"\\ud83d":1}}', ["/x"]),
        (b'["\\u0000"]', ["/0"]),
        (b'{"a\\u0000":1}', [""]),
        (b'{"a":"\\u0000","b":["\\ud800",NaN]}', ["/a", "/b/0", "/b/1"]),
        (nested(MAX_DEPTH + 1), [""]),
        (nested(MAX_DEPTH + 1, '{"a":', "}").replace(b":}", b":1}", 1), [""]),
        (nested(100_000), [""]),
        (b"[" * 1_000_000, [""]),
        (b'{"a":' * 200_000, [""]),
        (b'["' + b"\\" * 2 + b'"' + b"," + b"[" * 64 + b"]" * 64 + b"]", [""]),
    ],
)
def test_what_is_refused_is_named_by_its_pointer(body: bytes, pointers: list[str] | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_json(body)
    if pointers is None:
        assert isinstance(refused.value, MalformedBody)
    else:
        assert not isinstance(refused.value, MalformedBody)
        assert [fault.pointer for fault in refused.value.faults] == pointers


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"\xef\xbb\xbf{}", b"{", b"}", b"[1,]", b'{"a":1,}', b"{'a':1}", b"{a:1}", b"nul", b"True", b"01",
        b"-", b"+1", b"1.", b".5", b"1e", b"0x10", b'"', b'"\n"', b'"\t"', b'"\\x41"', b'"\\u12"', b"[] []", b"1 2",
        b"// x\n1", b"/* x */ 1", b"[1 2]", b'{"a" 1}', b"\xff", b"\xc0\x80", b'"\xed\xa0\x80"', b"\xf4\x90\x80\x80",
        "{}".encode("utf-16"), "{}".encode("utf-16-le"), "{}".encode("utf-32"), b"\x1f\x8b\x08\x00", b"\0", b"{}\0",
        b"\x0b1", b"\xc2\xa01", b"undefined", b"-NaN", b"nan", b"inf", b"[" * 10, b"]" * 10, b"\xe2\x80\xa8{}",
    ],
)  # fmt: skip
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody) as refused:
        decode_json(body)
    assert refused.value.faults == ()


def test_the_limits_themselves_are_admitted() -> None:
    assert decode_json(nested(MAX_DEPTH)) is not None
    assert decode_json(f"[{MAX_INTEGER},{-MAX_INTEGER},-0,1E2]".encode()) == [MAX_INTEGER, -MAX_INTEGER, 0, 100.0]
    assert decode_json(b'"[[[[' + b"[" * 1_000 + b'"')
    assert decode_json(b'["\\ud83d\\ude00","\\\\u0000","\\u0001"]') == ["😀", "\\u0000", "\x01"]


def test_only_the_first_twenty_faults_are_listed() -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_json(b"[" + b",".join([b"NaN"] * 1_000) + b"]")
    assert [fault.pointer for fault in refused.value.faults] == [f"/{index}" for index in range(20)]


def test_a_refusal_never_repeats_the_text() -> None:
    for body in (b'{"CANARY":"\\ud800 CANARY"', b'{"a":"CANARY\\u0000"}', b'{"a":"CANARY"} CANARY', b"CANARY"):
        with pytest.raises(InvalidRequest) as refused:
            decode_json(body)
        assert "CANARY" not in str(refused.value) + "".join(fault.detail for fault in refused.value.faults)
