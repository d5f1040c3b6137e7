"""Reads one record of the ledger: its canonical bytes, and nothing that merely looks like them (ledger-v1 §2)."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, NoReturn, TypeAlias

import msgspec
from msgspec import Meta

from ._note import MAX_SIZE, FormatError

MAX_BYTES: Final = 16_384
_MAX_DEPTH: Final = 8
_Hash: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# Of one length, so that times compare as texts.
_Time: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\Z")]


class Actor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The principal that caused the record."""

    id: str
    kind: str


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The members of a record, exactly those of ledger-v1 §2."""

    actor: Actor
    body: dict[str, Any]
    commitments: dict[str, _Hash]
    prev_hash: _Hash
    seq: Annotated[int, Meta(ge=0, le=MAX_SIZE)]
    time: _Time
    type: str
    v: Literal[1]


def read_record(data: bytes) -> Record:
    """
    Return the record that *data* holds.

    Raises:
        FormatError: *data* is not the canonical form of a record (§2.1): another order or spelling, a member twice,
            unknown or missing, a fraction, too deep, or more than 16,384 bytes.
    """
    if len(data) > MAX_BYTES:
        raise FormatError(f"a record is longer than {MAX_BYTES} bytes")
    try:
        value = json.loads(data.decode(), parse_float=_refuse, parse_constant=_refuse)
        _require_canonical_values(value, 1)
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
        if written != data:
            raise FormatError("the record is not in canonical form")
        return msgspec.convert(value, Record)
    except (ValueError, RecursionError) as error:  # UnicodeError, msgspec's errors and FormatError are ValueErrors
        raise FormatError(f"not a record: {error}" if isinstance(error, FormatError) else "not a record") from None


def _refuse(number: str) -> NoReturn:
    raise FormatError(f"{number[:20]} is not an integer")


def _require_canonical_values(value: object, depth: int) -> None:
    if isinstance(value, str) and "\0" in value:
        raise FormatError("a string holds U+0000")
    if isinstance(value, int) and abs(value) > MAX_SIZE:
        raise FormatError("a number is beyond 2^53 − 1")
    if not isinstance(value, (dict, list)):
        return
    if depth > _MAX_DEPTH:
        raise FormatError(f"the record is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, dict) and not all(name.isascii() and "\0" not in name for name in value):
        raise FormatError("a member name is not ASCII, or holds U+0000")
    for item in value.values() if isinstance(value, dict) else value:
        _require_canonical_values(item, depth + 1)
