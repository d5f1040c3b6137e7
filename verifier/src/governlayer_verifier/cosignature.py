r"""Signatures on checkpoints by their type byte: 0x01 signed-note, 0x04 and 0x06 c2sp.org/tlog-cosignature.

A cosignature is a time of 8 bytes and a signature over that time and the checkpoint:

    0x04  Ed25519    "cosignature/v1\n" "time <decimal>\n" and the text of the note
    0x06  ML-DSA-44  "subtree/v1\n\0", name, time, origin, 0, size, root; names behind a byte of length
"""

import struct
from datetime import UTC, datetime

from governlayer_verifier import ed25519, mldsa
from governlayer_verifier.note import COSIGNATURE, ED25519, MLDSA44, Checkpoint, VerifierKey

_TIME = struct.Struct(">Q")
_MAX_TIME_S = 2**63 - 1
_MAX_NAME_BYTES = 255
_LABEL = b"subtree/v1\n\0"


def is_signed_by(key: VerifierKey, checkpoint: Checkpoint, blob: bytes) -> bool:
    """
    Return whether *blob* is the signature of *key* on *checkpoint*.

    Args:
        key: of a log or a witness.
        checkpoint: parsed.
        blob: a signature line's bytes after the key id.

    Raises:
        mldsa.UnavailableError: the key is ML-DSA-44, which this Python cannot verify; nothing was judged.
    """
    if key.kind == ED25519:
        return key.verifies(checkpoint.text, blob)
    time_s = stated_time_s(key, blob)
    if time_s is None or time_s > _MAX_TIME_S:
        return False
    signature = blob[_TIME.size :]
    if key.kind == COSIGNATURE:
        return ed25519.verify(key.public_key, _timed_text(checkpoint, time_s), signature)
    message = _subtree(key, checkpoint, time_s)
    return message is not None and mldsa.verify(key.public_key, message, signature)


def stated_time_s(key: VerifierKey, blob: bytes) -> int | None:
    """Return the seconds since 1970 that the cosignature *blob* states, None where it is none."""
    if key.kind not in (COSIGNATURE, MLDSA44) or len(blob) < _TIME.size:
        return None
    return int(_TIME.unpack_from(blob)[0])


def shown_time(time_s: int | None) -> str | None:
    """Return *time_s*, seconds since 1970, as UTC; None where there is none: a 0 states no time (tlog-cosignature)."""
    if not time_s:
        return None
    try:
        return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{time_s} seconds after 1970"


def _timed_text(checkpoint: Checkpoint, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n".encode() + checkpoint.text


def _subtree(key: VerifierKey, checkpoint: Checkpoint, time_s: int) -> bytes | None:
    """Return the ``cosigned_message`` of a whole tree, None where a name is too long for one."""
    names = key.name.encode(), checkpoint.origin.encode()
    if any(len(name) > _MAX_NAME_BYTES for name in names):
        return None
    name, origin = (bytes([len(each)]) + each for each in names)
    return b"".join(
        (_LABEL, name, _TIME.pack(time_s), origin, _TIME.pack(0), _TIME.pack(checkpoint.size), checkpoint.root)
    )
