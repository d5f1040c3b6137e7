"""Canonical bytes: RFC 8785 on the narrow domain of ledger-v1 §2.1, where no two readers can differ."""

import json
from collections.abc import Mapping, Sequence

from governlayer_server.domain.errors import LedgerFormatError

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 8
MAX_BYTES = 16_384


def canonical_bytes(value: Mapping[str, object]) -> bytes:
    r"""
    Return the RFC 8785 serialization of *value* within the limits of ledger-v1 §2.1.

    Args:
        value: strings, integers within ±(2^53 - 1), booleans, None, sequences and mappings with ASCII names;
            at most 8 levels deep, *value* itself being the first.

    Returns:
        UTF-8, at most 16,384 bytes, members sorted, without white space.

    Raises:
        LedgerFormatError: *value* breaks a limit. Nothing is hashed.

    >>> canonical_bytes({"b": 1, "a": "\u00e9\n"})
    b'{"a":"\xc3\xa9\\n","b":1}'
    """
    _check(value, depth=1)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    encoded = text.encode("utf-8")
    if len(encoded) > MAX_BYTES:
        raise LedgerFormatError(f"a record has at most {MAX_BYTES} bytes, this one {len(encoded)}")
    return encoded


def _plain(value: object) -> dict[object, object] | list[object]:
    """Return a mapping or sequence as the kind that the encoder knows; `_check` has let nothing else pass."""
    return dict(value) if isinstance(value, Mapping) else list(value)  # type: ignore[call-overload]  # a sequence


def _check(value: object, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise LedgerFormatError("an integer in a record has an absolute value of at most 2^53 - 1")
    elif isinstance(value, Mapping):
        _check_depth(depth)
        for name, member in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise LedgerFormatError("a member name in a record is ASCII")
            _check_text(name)
            _check(member, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        _check_depth(depth)
        for member in value:
            _check(member, depth + 1)
    else:
        raise LedgerFormatError(f"a record cannot hold a {type(value).__name__}")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise LedgerFormatError(f"a record is at most {MAX_DEPTH} levels deep")


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise LedgerFormatError("a string in a record has no U+0000")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise LedgerFormatError("a string in a record has no lone surrogate")
