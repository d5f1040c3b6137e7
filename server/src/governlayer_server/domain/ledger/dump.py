"""The lines of a dump besides the records themselves (ledger-v1 §7). A record's line is its canonical bytes."""

import base64
import json
from collections.abc import Mapping, Sequence

from governlayer_server.domain.ledger.commitment import Payload


def _line(kind: str, members: object) -> bytes:
    text = json.dumps({kind: members}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


def header_line(
    *,
    created: str,
    first: int,
    last: int,
    origin: str,
    genesis_hash: str,
    keys: Sequence[str],
    names: Sequence[str],
) -> bytes:
    """
    Return the first line.

    Args:
        created: when the dump was made, as in a record's ``time``.
        first: the first seq, inclusive.
        last: the last seq, inclusive; *first* - 1 for an empty range.
        origin: the ledger's origin.
        genesis_hash: 64 hex digits.
        keys: verifier keys; claims, not trust.
        names: payload names disclosed.
    """
    members: Mapping[str, object] = {
        "created": created,
        "first": first,
        "genesis_hash": genesis_hash,
        "keys": list(keys),
        "last": last,
        "origin": origin,
        "payloads": sorted(names),
        "v": 1,
    }
    return _line("dump", members)


def payload_line(seq: int, payload: Payload) -> bytes:
    """Return the line that discloses *payload* of record *seq*."""
    members = {"name": payload.name, "nonce": payload.nonce.hex(), "seq": seq, "text": payload.text}
    return _line("payload", members)


def checkpoint_line(note: str) -> bytes:
    """Return the line of a signed checkpoint; it stands after record ``size - 1`` of that checkpoint."""
    return _line("checkpoint", note)


def inclusion_line(seq: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the line that roots a dump whose range starts at *seq*; it stands before the last checkpoint."""
    return _line("inclusion", {"hashes": base64_texts(proof), "seq": seq, "size": size})


def consistency_line(first: int, second: int, proof: Sequence[bytes]) -> bytes:
    """Return the line that shows the tree of *second* records to extend that of *first*, which is above 0."""
    return _line("consistency", {"from": first, "hashes": base64_texts(proof), "to": second})


def end_line(head_hash: str, records: int) -> bytes:
    """Return the last line; a dump without it is truncated."""
    return _line("end", {"head_hash": head_hash, "records": records})


def base64_texts(hashes: Sequence[bytes]) -> list[str]:
    """Return *hashes* as a proof spells them: base64, one text each (ledger-v1 §7)."""
    return [base64.b64encode(one).decode() for one in hashes]
