"""
Checkpoints: signed notes that say how large a ledger is and what its tree's root is (ledger-v1 §5).

Text form of c2sp.org/tlog-checkpoint without extension lines; signatures of c2sp.org/signed-note.
"""

import base64
from collections.abc import Iterable, Sequence
from hashlib import sha256

ED25519 = b"\x01"


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the 4-byte key id: SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key), first 4 bytes (ledger-v1 §5)."""
    return sha256(name.encode() + b"\n" + ED25519 + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """
    Return the verifier key ``<name>+<8 hex>+<base64>`` of an Ed25519 public key (ledger-v1 §5).

    Args:
        name: the key name, without white space or ``+``.
        public_key: 32 raw bytes.

    >>> verifier_key("gl.example.com", bytes.fromhex(
    ...     "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"))
    'gl.example.com+374391ee+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
    """
    encoded = base64.b64encode(ED25519 + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def newest_ed25519(vkeys: Sequence[str]) -> str:
    """Return the last of *vkeys*, verifier keys of one name from old to new, that is an Ed25519 key."""
    return [vkey for vkey in vkeys if base64.b64decode(vkey.split("+", 2)[2])[:1] == ED25519][-1]


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """
    Return the text that is signed: origin, size and root, each with its newline (ledger-v1 §5).

    Args:
        origin: the ledger's origin.
        size: how many records its tree has.
        root: of the tree, 32 bytes.
    """
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signed_note(text: str, lines: Iterable[str]) -> str:
    """
    Return *text* with its signatures (c2sp.org/signed-note).

    Args:
        text: ends with a newline.
        lines: of the signatures, each with its newline.
    """
    return f"{text}\n{''.join(lines)}"
