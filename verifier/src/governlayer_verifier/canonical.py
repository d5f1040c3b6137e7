"""Strict JSON and the canonical bytes of ledger-v1 §2.1 (RFC 8785, restricted).

Under the restrictions of §2.1 (ASCII names, integers only) the serialization below is JCS byte for byte, so
"canonical" is checked by comparing a line with the re-serialization of what it parses to. That comparison
also finds duplicate names, white space, escapes and number spellings; only what survives a round trip is
looked for separately.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from governlayer_verifier.errors import FormatError

MAX_BYTES = 16_384
MAX_DEPTH = 8
MAX_INTEGER = 2**53 - 1

_encode = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False, allow_nan=False
).encode


def _refuse(spelling: str) -> NoReturn:
    raise FormatError(f"{spelling[:40]} is not a JSON number")


def _small_integer(spelling: str) -> int:
    # 17 characters hold every allowed value and its sign; longer ones are not worth converting.
    value = int(spelling[:18])
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise FormatError("integer out of range")
    return value


def _any_integer(spelling: str) -> int:
    # An overlong integer stays out of range when cut, and converting it whole could take very long.
    return int(spelling[:20])


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        repeated = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise FormatError(f"duplicate member {repeated[:40]!a}")
    return members


_fast = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, parse_int=_small_integer)
_strict = json.JSONDecoder(object_pairs_hook=_unique_members, parse_constant=_refuse, parse_int=_any_integer)


def decode_utf8(line: bytes) -> str:
    """
    Return *line* as text.

    Raises:
        FormatError: *line* is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 at byte {error.start}") from None


def parse(text: str) -> object:
    """
    Return the JSON value of *text*, refusing what lenient parsers let through (§2.1, §8 step 1).

    Args:
        text: one complete JSON value.

    Raises:
        FormatError: not JSON, a duplicate member, NaN or Infinity, or nested too deeply to parse.
    """
    try:
        value: object = _strict.decode(text)
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg.lower()} at character {error.pos}") from None
    except RecursionError:
        raise FormatError("nested too deeply") from None
    return value


def serialize(value: object) -> str:
    """
    Return the JCS text of *value*, which must keep to the restrictions of §2.1.

    >>> serialize({"b": [1, None], "a": "x"})
    '{"a":"x","b":[1,null]}'
    """
    return _encode(value)


def read_canonical(text: str) -> tuple[object, str | None]:
    """
    Return the value of *text* and what breaks ledger-v1 §2.1 in it, None where nothing does.

    Args:
        text: a record line without its newline.

    Raises:
        FormatError: *text* is not strict JSON at all (§8 step 1 rather than step 3).

    >>> read_canonical('{"a":1}')
    ({'a': 1}, None)
    >>> read_canonical('{"a": 1}')[1]
    'differs from its own re-serialization at character 5'
    """
    try:
        value, _ = _fast.raw_decode(text)
        # Equal texts: no duplicates, spaces, odd escapes or order. ASCII: every name is ASCII, no surrogate.
        small = len(text) <= MAX_BYTES and text.isascii() and "\\u0000" not in text
        if small and _encode(value) == text and not _too_deep(value):
            return value, None
    except (ValueError, RecursionError):
        pass  # the slow way below finds out why
    value = parse(text)
    return value, _fault(value, text)


def _fault(value: object, text: str) -> str | None:
    if _too_deep(value):
        return f"nested deeper than {MAX_DEPTH}"
    for fault in _faults_inside(value):
        return fault
    if len(text.encode()) > MAX_BYTES:
        return f"longer than {MAX_BYTES} bytes"
    again = _encode(value)
    if again != text:
        same = next((i for i, (a, b) in enumerate(zip(again, text, strict=False)) if a != b), len(again))
        return f"differs from its own re-serialization at character {min(same, len(text))}"
    return None


def _too_deep(value: object) -> bool:
    if not isinstance(value, dict | list):
        return False
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _faults_inside(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if not all(name.isascii() for name in value):
            yield "a member name is not ASCII"
        for child in (*value.keys(), *value.values()):
            yield from _faults_inside(child)
    elif isinstance(value, list):
        for child in value:
            yield from _faults_inside(child)
    else:
        yield from _scalar_faults(value)


def _scalar_faults(value: object) -> Iterator[str]:
    if isinstance(value, str) and "\0" in value:
        yield "a string holds U+0000"
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        yield "a string holds a lone surrogate"
    if isinstance(value, float):
        yield "a number is not an integer"
    if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        yield "an integer is beyond 2^53 - 1"
