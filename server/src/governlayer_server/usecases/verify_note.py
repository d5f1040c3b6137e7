"""Verify what others signed: checkpoints by logs, cosignatures by witnesses."""

from collections.abc import Callable, Iterable, Sequence

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.cosignature import Cosignature, cosigned_message, parse_cosignature
from governlayer_server.domain.ledger.note import ParsedCheckpoint, SignatureLine, VerifierKey, parse_checkpoint
from governlayer_server.ports.anchors import Verify

IsSigned = Callable[[ParsedCheckpoint], bool]
"""Returns whether a key that this deployment has, or had, signed a checkpoint."""


def genuine_checkpoint(note: str, size: int, origin: str, is_signed: IsSigned) -> ParsedCheckpoint | None:
    """Return what *note* says, if it is a signed checkpoint of *origin* at *size*: it may be anybody's."""
    try:
        checkpoint = parse_checkpoint(note)
    except NoteError:
        return None
    is_of_ledger = (checkpoint.size, checkpoint.origin) == (size, origin)
    return checkpoint if is_of_ledger and is_signed(checkpoint) else None


def log_signatures(checkpoint: ParsedCheckpoint, keys: Sequence[VerifierKey], verify: Verify) -> list[SignatureLine]:
    """
    Return the signatures of *checkpoint* by *keys*, at least one; those by others are passed over (signed-note).

    Args:
        checkpoint: read from a note.
        keys: the Ed25519 keys that are trusted for its origin.
        verify: verifies one signature.

    Raises:
        NoteError: none of *keys* signed it, or a signature that says it is by one of them is not.
    """
    known = [(key, line) for line in checkpoint.signatures for key in keys if line.is_by(key)]
    if not known:
        raise NoteError("the checkpoint is not signed by a trusted key")
    message = checkpoint.text.encode()
    if not all(verify(key.public_key, message, line.signature) for key, line in known):
        raise NoteError("a signature by a trusted key does not hold")
    return [line for _, line in known]


def verified_cosignature(text: str, lines: Iterable[SignatureLine], key: VerifierKey, verify: Verify) -> Cosignature:
    """
    Return the cosignature of the checkpoint *text* by *key* among *lines*; those by other keys are passed over.

    Raises:
        NoteError: there is none, or it does not hold.
    """
    for line in lines:
        if line.is_by(key):
            found = parse_cosignature(line)
            if verify(key.public_key, cosigned_message(text, found.time_s), found.signature):
                return found
            raise NoteError(f"the cosignature by {key.name} does not hold")
    raise NoteError(f"there is no cosignature by {key.name}")
