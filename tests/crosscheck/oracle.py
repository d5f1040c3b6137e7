"""
What a mutant may be answered with, judged without the verifier.

A dump that was changed is refused. The exceptions are few, and each is argued here: see ``means_the_same``.
"""

import json
import zlib
from dataclasses import dataclass
from typing import Any

from tests.crosscheck.dumps import NAME
from tests.crosscheck.mutants import Case

GZIP_MAGIC = b"\x1f\x8b"
GZIP_RESERVED = 0xE0


@dataclass
class Meaning:
    """What a dump says, without what the specification leaves open."""

    # The header without its claims, the records, their payloads and the trailer, in their order.
    said: list[Any]
    # Signed texts with the signatures under them, and proof lines.
    notes: set[str]
    proofs: list[Any]
    # Whether each checkpoint, proof and payload stands where it may (§7).
    well_placed: bool


def means_the_same(case: Case, dump: bytes) -> bool:
    """
    Return whether *dump* says what the clean dump of *case* says, so that nobody could have been deceived.

    The rules, and why:

    - Compressed bytes are judged by what they decompress to (§7), so a changed time in a gzip header says nothing, nor
      do the reserved flags there, for which some readers refuse a file (RFC 1952 §2.3.1.2) and others do not.
    - ``created`` and ``keys`` of the header are claims that nothing rests on (§7).
    - A name listed as disclosed, of which the dump holds no payload, says nothing.
    - Of a line other than a record only the JSON value counts: §2.1 asks canonical bytes of records alone, so an
      escape in a payload's text may be spelled in capital letters. A line feed after the last line may be missing.
    - Any genuine checkpoint of the ledger may be there or not, once or often, anywhere behind its last record, if one
      reaches the end of the range (§7); signatures by keys that the reader does not know are ignored (§5).
    - Proof lines may stand in another order or more than once, and one that no step needs may be missing (§7).
    """
    plain = _decompressed(dump)
    clean = _meaning(case.dump)
    assert clean.well_placed
    try:
        meaning = None if plain is None else _meaning(plain)
    except (LookupError, TypeError, ValueError):
        return False
    if meaning is None or not meaning.well_placed:
        return False
    genuine = {_known_part(case.ledger.note(size)): size for size in range(len(case.ledger.records) + 1)}
    sizes = [genuine.get(_known_part(note)) for note in meaning.notes]
    return (
        meaning.said == clean.said
        and None not in sizes
        and max((size or 0 for size in sizes), default=0) > case.cut.last
        and all(proof in clean.proofs for proof in meaning.proofs)
    )


def _decompressed(dump: bytes) -> bytes | None:
    """*dump*, or what it decompresses to; None where it is damaged."""
    if not dump.startswith(GZIP_MAGIC):
        return dump
    plain = b""
    while dump:
        member = zlib.decompressobj(wbits=31)
        try:
            plain += member.decompress(dump[:3] + bytes([dump[3] & ~GZIP_RESERVED]) + dump[4:])
        except (IndexError, zlib.error):
            return None
        if not member.eof:
            return None
        dump = member.unused_data.lstrip(b"\0")
    return plain


def _meaning(dump: bytes) -> Meaning:
    """
    Return what *dump* says.

    Raises:
        LookupError, TypeError, ValueError: it is no dump.
    """
    meaning = Meaning([], set(), [], well_placed=True)
    records, before, named = 0, "", set()
    for line in dump.removesuffix(b"\n").split(b"\n"):
        value = json.loads(line.decode(), object_pairs_hook=_once)
        kind = next(iter(value))
        match kind:
            case "actor":
                records += 1
                meaning.said.append(line)
            case "checkpoint":
                meaning.notes.add(value[kind])
                meaning.well_placed &= _may_stand(value[kind], meaning.said[0]["dump"], records)
            case "inclusion" | "consistency":
                meaning.proofs.append(value)
            case _:
                meaning.said.append(value)
        if kind == "payload":
            named.add(value[kind]["name"])
            meaning.well_placed &= before in {"actor", "payload"}
        before = kind
    _leave_out_claims(meaning.said[0]["dump"], named)
    return meaning


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a member stands twice")
    return dict(pairs)


def _may_stand(note: str, header: dict[str, Any], records: int) -> bool:
    """Whether a checkpoint stands behind its last record, or, in a dump that starts later, reaches beyond that dump."""
    size = int(note.split("\n")[1])
    return size <= header["first"] + records or (header["first"] > 0 and size > header["last"] + 1)


def _leave_out_claims(header: dict[str, Any], named: set[str]) -> None:
    header |= {"created": "", "keys": [], "payloads": [name for name in header["payloads"] if name in named]}


def _known_part(note: str) -> tuple[str, frozenset[str]]:
    """The text, and those signature lines that are by a key of the ledger."""
    text, _, signatures = note.partition("\n\n")
    return text, frozenset(line for line in signatures.splitlines() if line.startswith(f"— {NAME} "))
