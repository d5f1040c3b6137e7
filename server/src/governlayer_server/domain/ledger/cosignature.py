"""Cosignatures of witnesses: ``cosignature/v1``, Ed25519 with a time, type 0x04 (c2sp.org/tlog-cosignature)."""

import struct

from msgspec import Struct

from governlayer_server.domain.errors import NoteError
from governlayer_server.domain.ledger.note import SignatureLine, VerifierKey

_SIGNED = struct.Struct(">Q64s")
_MAX_TIME_S = 2**63 - 1


class Cosignature(Struct, frozen=True, kw_only=True):
    """When a witness says it saw a checkpoint, in seconds since the Unix epoch, and its signature of that."""

    time_s: int
    signature: bytes


def cosigned_message(text: str, time_s: int) -> bytes:
    """
    Return the bytes that a witness signs for the checkpoint *text* at *time_s*.

    Args:
        text: the text of the note, with its last newline.
        time_s: seconds since the Unix epoch.
    """
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def cosignature_line(key: VerifierKey, cosignature: Cosignature) -> SignatureLine:
    """Return the line of a note that holds *cosignature* by *key*."""
    packed = _SIGNED.pack(cosignature.time_s, cosignature.signature)
    return SignatureLine(name=key.name, key_id=key.id, signature=packed)


def parse_cosignature(line: SignatureLine) -> Cosignature:
    """
    Return what *line* holds; the signature has not been verified yet.

    Raises:
        NoteError: it has another length, or a time beyond 2^63 - 1.
    """
    if len(line.signature) != _SIGNED.size:
        raise NoteError(f"a cosignature has {_SIGNED.size} bytes after its key id")
    time_s, signature = _SIGNED.unpack(line.signature)
    if time_s > _MAX_TIME_S:
        raise NoteError("the time of a cosignature is at most 2^63 - 1 seconds")
    return Cosignature(time_s=time_s, signature=signature)
