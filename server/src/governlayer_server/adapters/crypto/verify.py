"""Ed25519 signatures of others (RFC 8032): ``ports.anchors.Verify``."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether *signature* (64 bytes) of *message* is by *public_key* (32 bytes); malformed ones are not."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
