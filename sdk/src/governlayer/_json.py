"""
JSON out, without silent changes (RFC 8259, I-JSON RFC 7493).

What is governed must be what is then done, so a value that JSON cannot carry as it is, is refused instead of
being turned into something near it: NaN into null, bytes into base64, the key 1 into "1".
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Final, cast

from .errors import ArgumentError

MAX_DEPTH: Final = 64  # api.md §1
_MOST: Final = 2**64  # beyond it no system of ours counts; the server draws its own, closer line


class Members:
    """Marks the dataclasses that stand for JSON objects of the API: a member that is None is left out."""

    __slots__ = ()


def encode(value: object) -> bytes:
    """
    Return *value* as compact UTF-8 JSON; members of our own structures that are None are left out.

    Raises:
        ArgumentError: *value* holds something JSON cannot carry unchanged. The text names the place as a
            JSON pointer (RFC 6901), never the value.
    """
    plain = _plain(value, "", 1)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: object, at: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, at)
    if isinstance(value, (int, float)):
        if (isinstance(value, int) and abs(value) > _MOST) or not math.isfinite(value):
            raise ArgumentError(f"{at or '/'} is not a number that can be sent")
        return value
    return _plain_collection(value, at, depth)


def _plain_collection(value: object, at: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ArgumentError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_name(name, at): _plain(item, _join(at, name), depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{at}/{index}", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, Members):
        members = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(cast("Any", value)))
        return {name: _plain(item, f"{at}/{name}", depth + 1) for name, item in members if item is not None}
    raise ArgumentError(f"{at or '/'} has a type that JSON does not know: {type(value).__name__}")


def _text(value: str, at: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        fault = ArgumentError(f"{at or '/'} holds a lone surrogate")
    else:
        return value
    raise fault  # outside the handler: the caught error carries the text, and a chain would show it


def _name(name: object, at: str) -> str:
    if not isinstance(name, str):
        raise ArgumentError(f"{at or '/'} has a member name that is no string: {type(name).__name__}")
    return _text(name, at)


def _join(at: str, name: object) -> str:
    return f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}"
