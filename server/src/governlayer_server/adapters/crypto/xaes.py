"""
XAES-256-GCM (c2sp.org/XAES-256-GCM): AES-256-GCM with 192-bit random nonces.

A 256-bit key may encrypt 2^80 messages under random nonces: the first half of the nonce picks a derived key by
CMAC, the second half is the nonce of AES-256-GCM under it.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governlayer_server.domain.errors import CipherError

KEY_BYTES = 32
NONCE_BYTES = 24
_BLOCK_BYTES = 16
_REDUCTION = 0b10000111


class XAES256GCM:
    """One key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise CipherError(f"a key has {KEY_BYTES} bytes")
        # ECB on one block is AES itself, the building block of CMAC; no message is ever encrypted with it.
        self._aes = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305  # nosec B305
        self._k1 = self._subkey()

    def __repr__(self) -> str:
        """No key material."""
        return "XAES256GCM(…)"

    def encrypt(self, plaintext: bytes, associated: bytes) -> bytes:
        """Return nonce ‖ ciphertext ‖ tag under a fresh random nonce."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self.encrypt_with_nonce(nonce, plaintext, associated)

    def encrypt_with_nonce(self, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """Return ciphertext ‖ tag. For test vectors: never give one nonce twice."""
        return self._gcm(nonce).encrypt(nonce[12:], plaintext, associated)

    def decrypt(self, sealed: bytes, associated: bytes) -> bytes:
        """
        Return the plaintext of ``encrypt``.

        Raises:
            CipherError: *sealed* is damaged, or belongs to another key or other associated data.
        """
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return self._gcm(nonce).decrypt(nonce[12:], ciphertext, associated)
        except (InvalidTag, ValueError):
            raise CipherError("the ciphertext does not open") from None

    def _gcm(self, nonce: bytes) -> AESGCM:
        """Derive the message key: CMAC blocks 0x0001 and 0x0002, label ``X``, first half of the nonce."""
        halves = (self._block(self._mask(bytes([0, count, 0x58, 0]) + nonce[:12])) for count in (1, 2))
        return AESGCM(b"".join(halves))

    def _block(self, block: bytes) -> bytes:
        encryptor = self._aes.encryptor()
        return encryptor.update(block) + encryptor.finalize()

    def _mask(self, block: bytes) -> bytes:
        return bytes(left ^ right for left, right in zip(block, self._k1, strict=True))

    def _subkey(self) -> bytes:
        """The first CMAC subkey (NIST SP 800-38B §6.1): AES of zeros, doubled in GF(2^128)."""
        number = int.from_bytes(self._block(bytes(_BLOCK_BYTES)), "big") << 1
        if number >> 128:
            number = (number & ((1 << 128) - 1)) ^ _REDUCTION
        return number.to_bytes(_BLOCK_BYTES, "big")
