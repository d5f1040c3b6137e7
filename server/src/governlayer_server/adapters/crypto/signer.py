"""The ledger's signing key: Ed25519 (RFC 8032), from a 32-byte seed."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_REMEMBERED = 64


class Ed25519Signer:
    """``ports.Signer`` with the key in memory."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._name = name
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._public_key = self._key.public_key().public_bytes_raw()
        # All receipts of a batch ask for the signature of one checkpoint.
        self._sign = lru_cache(maxsize=_REMEMBERED)(self._key.sign)

    def __repr__(self) -> str:
        """No key material."""
        return f"Ed25519Signer({self._name!r})"

    @property
    def name(self) -> str:
        """The key name."""
        return self._name

    @property
    def public_key(self) -> bytes:
        """32 raw bytes."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 raw bytes; the same message gives the same bytes."""
        return self._sign(message)
