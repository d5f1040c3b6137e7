"""The lines of a dump, ledger-v1 §7: which kind each is, and its members."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from governlayer_verifier.canonical import MAX_INTEGER, parse
from governlayer_verifier.chain import is_hex_hash, is_origin
from governlayer_verifier.errors import FormatError
from governlayer_verifier.note import decode_hash, parse_verifier_key
from governlayer_verifier.record import is_count, is_payload_name, is_time

RECORD_START = b'{"actor":'
MAX_PAYLOAD_BYTES = 1 << 20
MAX_PROOF_HASHES = 64


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: what the dump says it holds."""

    origin: str
    genesis_hash: str
    first: int
    last: int
    payloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Payload:
    """A disclosed payload; ``text`` is its UTF-8 bytes."""

    seq: int
    name: str
    nonce: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class CheckpointLine:
    """A signed note, not parsed yet."""

    note: str


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that the record ``seq`` lies in the tree of ``size``."""

    seq: int
    size: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Consistency:
    """A proof that the tree of ``size2`` begins with that of ``size1``."""

    size1: int
    size2: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The last line."""

    head_hash: str
    records: int


@dataclass(frozen=True, slots=True)
class MisspelledRecord:
    """A record line that does not begin as canonical bytes do, yet has ``actor`` as its first member."""


Line = Header | Payload | CheckpointLine | Inclusion | Consistency | End | MisspelledRecord


def parse_line(text: str) -> Line:
    """
    Return the content of a line that is not a record (ledger-v1 §7); the kind is told by its first member.

    Args:
        text: the line without its newline.

    Raises:
        FormatError: not strict JSON, of no known kind, or with other members than its kind has.
    """
    value = parse(text)
    if not isinstance(value, dict) or not value:
        raise FormatError("not a JSON object with members")
    kind = next(iter(value))
    if kind == "actor":
        return MisspelledRecord()
    reader = _READERS.get(kind)
    if reader is None:
        raise FormatError(f"a line of no known kind, its first member is {kind[:40]!a}")
    if len(value) != 1:
        raise FormatError(f"a {kind} line has one member")
    return reader(value[kind])


def _members(kind: str, value: object, *names: str) -> list[Any]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise FormatError(f"a {kind} line has exactly the members {', '.join(names)}")
    return [value[name] for name in names]


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise FormatError(fault)


def _header(value: object) -> Header:
    created, first, genesis_hash, keys, last, origin, payloads, version = _members(
        "dump", value, "created", "first", "genesis_hash", "keys", "last", "origin", "payloads", "v"
    )
    _require(type(version) is int and version == 1, "the dump's version is not 1")
    _require(is_time(created), "created is not a moment written YYYY-MM-DDTHH:MM:SS.ffffffZ")
    _require(is_count(first) and first <= MAX_INTEGER, "first is not a seq")
    _require(type(last) is int and first - 1 <= last <= MAX_INTEGER, "last is not a seq from first - 1 on")
    _require(is_hex_hash(genesis_hash), "genesis_hash is not 64 hex digits")
    _require(is_origin(origin), "the origin is not 1 to 255 characters of [A-Za-z0-9._/-]")
    _require(isinstance(keys, list) and all(isinstance(key, str) for key in keys), "keys is not a list of keys")
    for key in keys:
        parse_verifier_key(key)
    _require(isinstance(payloads, list) and all(map(is_payload_name, payloads)), "payloads is not a list of names")
    _require(payloads == sorted(set(payloads)), "payloads is not sorted")
    return Header(origin, genesis_hash, first, last, tuple(payloads))


def _payload(value: object) -> Payload:
    name, nonce, seq, text = _members("payload", value, "name", "nonce", "seq", "text")
    _require(is_payload_name(name), "a payload's name is not [a-z_]{1,32}")
    _require(is_hex_hash(nonce), "a payload's nonce is not 64 hex digits")
    _require(is_count(seq), "a payload's seq is not a seq")
    _require(isinstance(text, str), "a payload's text is not a string")
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise FormatError("a payload's text holds a lone surrogate") from None
    _require(len(content) <= MAX_PAYLOAD_BYTES, f"a payload is longer than {MAX_PAYLOAD_BYTES} bytes")
    return Payload(seq, name, bytes.fromhex(nonce), content)


def _checkpoint(value: object) -> CheckpointLine:
    if not isinstance(value, str):
        raise FormatError("a checkpoint line holds a signed note as a string")
    return CheckpointLine(value)


def _inclusion(value: object) -> Inclusion:
    hashes, seq, size = _members("inclusion", value, "hashes", "seq", "size")
    _require(is_count(seq) and is_count(size) and seq < size, "an inclusion proof is for a seq below its size")
    return Inclusion(seq, size, _hashes(hashes))


def _consistency(value: object) -> Consistency:
    size1, hashes, size2 = _members("consistency", value, "from", "hashes", "to")
    _require(is_count(size1) and is_count(size2), "a consistency proof is from one size to another")
    _require(0 < size1 <= size2, "a consistency proof is from a size above 0 to one not below it")
    return Consistency(size1, size2, _hashes(hashes))


def _hashes(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list) or len(value) > MAX_PROOF_HASHES:
        raise FormatError(f"hashes is not a list of at most {MAX_PROOF_HASHES}")
    return tuple(decode_hash(each) for each in value)


def _end(value: object) -> End:
    head_hash, records = _members("end", value, "head_hash", "records")
    _require(is_hex_hash(head_hash), "head_hash is not 64 hex digits")
    _require(is_count(records), "records is not a count")
    return End(head_hash, records)


_READERS: dict[str, Callable[[object], Line]] = {
    "dump": _header,
    "payload": _payload,
    "checkpoint": _checkpoint,
    "inclusion": _inclusion,
    "consistency": _consistency,
    "end": _end,
}
