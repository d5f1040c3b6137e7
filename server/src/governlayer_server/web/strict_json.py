"""
The one JSON decoder of the API: no two readers of an accepted body can understand different things (RFC 7493).

Refused: text that is not UTF-8, duplicate member names, NaN and infinities, integers beyond ±(2^53 - 1), lone
surrogates, U+0000, and nesting deeper than 64. A refusal names the place.
"""

import json
import re
from collections.abc import Iterator
from math import isinf
from typing import NamedTuple

from governlayer_server.domain.errors import Fault, InvalidRequest, MalformedBody

MAX_DEPTH = 64
MAX_INTEGER = 2**53 - 1
MAX_INTEGER_DIGITS = 16
_MAX_FAULTS = 20
# Strings are passed over whole, so brackets inside them do not count. No alternative overlaps another: linear.
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


class _Refused(NamedTuple):
    """Stands in the decoded value for something that may not be there."""

    detail: str


def decode_json(body: bytes) -> object:
    """
    Return the JSON value in *body*.

    Raises:
        MalformedBody: not UTF-8, or not JSON.
        InvalidRequest: JSON that breaks a rule of this module; each fault has its JSON pointer (RFC 6901).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8 (byte {error.start})") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=lambda name: _Refused(f"{name} is not a JSON number"),
        )
    except json.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: line {error.lineno}, column {error.colno}") from None
    faults = _first(_faults(value, ""), _MAX_FAULTS)
    if faults:
        raise InvalidRequest("the body breaks the rules for JSON of this API", faults)
    return value


def pointer_token(name: str) -> str:
    """Return *name* as a reference token of a JSON pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _check_depth(text: str) -> None:
    depth = 0
    for match in _STRUCTURE.finditer(text):
        found = match[0]
        if found in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                fault = Fault("", f"nested deeper than {MAX_DEPTH} levels")
                raise InvalidRequest("the body is nested too deeply", [fault])
        elif found in "]}":
            depth -= 1


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        members[name] = _Refused("this member name stands twice") if name in members else value
    return members


def _integer(digits: str) -> int | _Refused:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS or abs(int(digits)) > MAX_INTEGER:
        return _Refused("an integer has an absolute value of at most 2^53 - 1")
    return int(digits)


def _number(digits: str) -> float | int | _Refused:
    value = float(digits)
    if isinf(value):
        return _Refused("this number is too large")
    # 1.0 is the integer 1 (JSON Schema 2020-12 §4.2.3), and has its canonical form (RFC 8785).
    return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value


def _faults(value: object, pointer: str) -> Iterator[Fault]:
    if isinstance(value, _Refused):
        yield Fault(pointer, value.detail)
    elif isinstance(value, str):
        yield from _text_faults(value, pointer)
    elif isinstance(value, dict):
        for name, member in value.items():
            bad_name = list(_text_faults(name, pointer))
            yield from bad_name
            if not bad_name:
                yield from _faults(member, f"{pointer}/{pointer_token(name)}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _faults(member, f"{pointer}/{index}")


def _text_faults(text: str, pointer: str) -> Iterator[Fault]:
    if "\x00" in text:
        yield Fault(pointer, "a string has no U+0000")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            yield Fault(pointer, "a string has no lone surrogate")


def _first(faults: Iterator[Fault], count: int) -> list[Fault]:
    return [fault for fault, _ in zip(faults, range(count), strict=False)]
