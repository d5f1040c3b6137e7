"""What a witness is asked, and how it judges: c2sp.org/tlog-witness, as functions of values."""

import base64
from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.note import ParsedCheckpoint, decode_hash, parse_checkpoint, parse_size

MAX_PROOF_LINES = 63
_OLD = "old "


class AddCheckpoint(Struct, frozen=True, kw_only=True):
    """A request to cosign: from which size on, the proof that nothing before it changed, and the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: ParsedCheckpoint


def add_checkpoint_body(old: int, proof: Sequence[bytes], note: str) -> str:
    """
    Return the body of ``POST /add-checkpoint``.

    Args:
        old: the size that the witness cosigned last, 0 for none.
        proof: consistency proof from *old* on, 32 bytes a hash; empty for 0.
        note: the signed checkpoint.
    """
    lines = [f"{_OLD}{old}", *(base64.b64encode(node).decode() for node in proof), "", note]
    return "\n".join(lines)


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """
    Return the request in *body*.

    Raises:
        NoteError: it is not UTF-8, breaks the grammar, or its proof is longer than 63 hashes. Nothing was judged.
    """
    try:
        head, separator, note = body.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise NoteError("the request is not UTF-8 text") from None
    first, *proof = head.split("\n")
    if not separator or not first.startswith(_OLD):
        raise NoteError("a request is a line `old <size>`, lines of a proof, an empty line and a checkpoint")
    if len(proof) > MAX_PROOF_LINES:
        raise NoteError(f"a proof has at most {MAX_PROOF_LINES} hashes")
    return AddCheckpoint(
        old=parse_size(first.removeprefix(_OLD)),
        proof=tuple(map(decode_hash, proof)),
        checkpoint=parse_checkpoint(note),
    )
