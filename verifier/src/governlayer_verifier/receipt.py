"""Receipts: the c2sp.org/tlog-proof text of ledger-v1 §5, one record provable offline."""

from dataclasses import dataclass

from governlayer_verifier.errors import FormatError
from governlayer_verifier.note import (
    Checkpoint,
    decode_base64,
    decode_decimal,
    decode_hash,
    parse_checkpoint,
)

_MAGIC = "c2sp.org/tlog-proof@v1"
_MAX_PROOF_HASHES = 63


@dataclass(frozen=True, slots=True)
class Receipt:
    """A parsed receipt; nothing in it is verified yet."""

    index: int
    record: bytes
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint


def parse_receipt(text: str) -> Receipt:
    """
    Return the parts of a ``.tlog-proof`` file: record, index, inclusion proof, checkpoint.

    Raises:
        FormatError: the grammar is broken, or the ``extra`` line with the record is missing.
    """
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != _MAGIC:
        raise FormatError(f"not a receipt: it does not begin with {_MAGIC}")
    if len(lines) < 3 or not lines[1].startswith("extra "):
        raise FormatError("the receipt has no extra line with the record")
    if not lines[2].startswith("index "):
        raise FormatError("the receipt has no index line")
    if len(lines) - 3 > _MAX_PROOF_HASHES:
        raise FormatError(f"the proof has more than {_MAX_PROOF_HASHES} hashes")
    return Receipt(
        decode_decimal(lines[2].removeprefix("index ")),
        decode_base64(lines[1].removeprefix("extra ")),
        tuple(decode_hash(line) for line in lines[3:]),
        parse_checkpoint(note),
    )
