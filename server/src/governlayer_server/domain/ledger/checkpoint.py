"""
Checkpoints: signed notes that say how large a ledger is and what its tree's root is (ledger-v1 §5).

Text form of c2sp.org/tlog-checkpoint without extension lines; signatures of c2sp.org/signed-note, Ed25519.
"""

import base64
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


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """
    Return the text that is signed: origin, size and root, each with its newline (ledger-v1 §5).

    Args:
        origin: the ledger's origin.
        size: how many records its tree has.
        root: of the tree, 32 bytes.
    """
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def signed_note(text: str, name: str, public_key: bytes, signature: bytes) -> str:
    """
    Return *text* with one signature line (c2sp.org/signed-note).

    Args:
        text: ends with a newline.
        name: the key name.
        public_key: 32 raw bytes.
        signature: Ed25519 over the UTF-8 bytes of *text*, 64 raw bytes.
    """
    blob = base64.b64encode(key_id(name, public_key) + signature).decode()
    return f"{text}\n\N{EM DASH} {name} {blob}\n"
