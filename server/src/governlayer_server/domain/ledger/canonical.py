"""Canonical bytes: RFC 8785 on the narrow domain of ledger-v1 §2.1, where no two readers can differ."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from governlayer_server.domain.errors import LedgerFormatError

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 8
MAX_BYTES = 16_384
_ALWAYS_FIT = frozenset({str, bool, type(None)})
_NUL = rb"\u0000"


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
    try:
        encoded = _encode(value)
    except UnicodeEncodeError:
        raise LedgerFormatError("a string in a record has no lone surrogate") from None
    # The escape is in every text that holds U+0000, and also in one that holds its six characters.
    if _NUL in encoded and _holds_nul(value):
        raise LedgerFormatError("a string in a record has no U+0000")
    if len(encoded) > MAX_BYTES:
        raise LedgerFormatError(f"a record has at most {MAX_BYTES} bytes, this one {len(encoded)}")
    return encoded


def _plain(value: object) -> object:
    """Return a mapping, sequence or text as the kind that the encoder knows; `_check` has let nothing else pass."""
    if isinstance(value, str):
        return str(value)
    return dict(value) if isinstance(value, Mapping) else list(value)  # type: ignore[call-overload]  # a sequence


# RFC 8785 on this domain: names are ASCII and sorted, numbers are integers (tests compare with another implementation).
_encode = msgspec.json.Encoder(order="sorted", enc_hook=_plain).encode


def _check(value: object, depth: int) -> None:
    if isinstance(value, dict) or isinstance(value, Mapping):  # noqa: SIM101  # the first is much the faster
        _check_depth(depth)
        if not all(isinstance(name, str) and name.isascii() for name in value):
            raise LedgerFormatError("a member name in a record is ASCII")
        _check_members(value.values(), depth + 1)
    elif isinstance(value, int):
        _check_integer(value)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        _check_depth(depth)
        _check_members(value, depth + 1)
    elif value is not None and not isinstance(value, str):
        raise LedgerFormatError(f"a record cannot hold a {type(value).__name__}")


def _check_members(members: Iterable[object], depth: int) -> None:
    for member in members:
        kind = type(member)
        if kind is int:
            _check_integer(member)  # type: ignore[arg-type]  # it is one
        elif kind not in _ALWAYS_FIT:
            _check(member, depth)


def _check_integer(value: int) -> None:
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise LedgerFormatError("an integer in a record has an absolute value of at most 2^53 - 1")


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise LedgerFormatError(f"a record is at most {MAX_DEPTH} levels deep")


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(name) or _holds_nul(member) for name, member in value.items())
    return isinstance(value, Sequence) and any(map(_holds_nul, value))
