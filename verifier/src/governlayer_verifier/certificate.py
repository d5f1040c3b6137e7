"""
Certificates of erasures as they are read: signed notes over one line of canonical JSON.

    GovernLayer erasure certificate v1
    <one line: RFC 8785 JSON>
    <empty line>
    — <key name> <base64(4-byte key id ‖ signature)>

The first line has spaces, which no origin has: a certificate is never a checkpoint.
"""

from dataclasses import dataclass
from typing import Any

from governlayer_verifier.canonical import parse, serialize
from governlayer_verifier.chain import is_hex_hash, is_origin
from governlayer_verifier.errors import FormatError
from governlayer_verifier.note import Signature, split_note
from governlayer_verifier.record import is_count

CONTEXT = "GovernLayer erasure certificate v1"
MAX_CERTIFICATE_BYTES = 1 << 20
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    A parsed certificate; nothing in it is verified yet.

    ``records`` is seq and hash of each erasure record, ``counted`` how many records lost their payloads.
    """

    erasure_id: str
    origin: str
    basis: str
    names: tuple[str, ...]
    ranges: tuple[Range, ...]
    records: tuple[tuple[int, str], ...]
    counted: int
    kind: str
    subjects: tuple[str, ...]
    decision_id: str | None
    text: bytes
    signatures: tuple[Signature, ...]


def parse_certificate(note: str) -> Certificate:
    """
    Return what *note* says.

    Raises:
        FormatError: it is no signed note, not of a certificate, or not canonical.
    """
    text, signatures = split_note(note, MAX_CERTIFICATE_BYTES)
    lines = text.split("\n")
    if len(lines) != 3 or lines[0] != CONTEXT:
        raise FormatError(f"a certificate is the line {CONTEXT} and one line of JSON")
    said: Any = parse(lines[1])
    if not isinstance(said, dict) or serialize(said) != lines[1]:
        raise FormatError("the certificate is not canonical JSON")
    if said.get("v") != 1 or not _is_whole(said):
        raise FormatError("the certificate lacks members, or has wrong ones")
    return Certificate(
        said["erasure_id"],
        said["origin"],
        said["basis"],
        tuple(said["names"]),
        tuple((first, last) for first, last in said["ranges"]),
        tuple((each["seq"], each["hash"]) for each in said["erasure_records"]),
        said["records"],
        said["kind"],
        tuple(said["subjects"]),
        said["decision_id"],
        text.encode(),
        signatures,
    )


def _is_whole(said: dict[str, Any]) -> bool:
    texts = (said.get("erasure_id"), said.get("origin"), said.get("basis"), said.get("kind"))
    ranges, records, decision_id = said.get("ranges"), said.get("erasure_records"), said.get("decision_id", 0)
    return (
        all(isinstance(each, str) for each in texts)
        and is_origin(said["origin"])
        and _are_texts(said.get("names"))
        and _are_texts(said.get("subjects"))
        and is_count(said.get("records"))
        and (decision_id is None or isinstance(decision_id, str))
        and are_ranges(ranges)
        and isinstance(records, list)
        and bool(records)
        and all(map(_is_record, records))
    )


def are_ranges(value: Any) -> bool:
    """Return whether *value* is a list of ``[first, last]``, sorted."""
    return (
        isinstance(value, list)
        and all(isinstance(each, list) and len(each) == 2 and all(map(is_count, each)) for each in value)
        and all(first <= last for first, last in value)
        and value == sorted(value)
    )


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_record(value: Any) -> bool:
    return isinstance(value, dict) and is_count(value.get("seq")) and is_hex_hash(value.get("hash"))
