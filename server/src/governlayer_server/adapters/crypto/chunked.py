"""
Cobblestone-256 (c2sp.org/chunked-encryption with SHA-512 and AES-256-GCM): large messages, encrypted as a stream.

16 KiB chunks; in front a random salt of 24 bytes and a commitment of 32 bytes to key and context. The primitive is that
of ``cryptography``; what is added here are names for its failures.
"""

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import AlreadyFinalized, InvalidTag

from governlayer_server.domain.errors import CipherError

KEY_BYTES = 32


class ChunkedSealer:
    """
    Encrypts one message.

    Args:
        key: 32 random bytes; one key is good for any number of messages.
        context: what the message is bound to. It is not part of the ciphertext.
    """

    def __init__(self, key: bytes, context: bytes) -> None:
        self._encryptor = Cobblestone256Encryptor(key, context=context)

    def update(self, plaintext: bytes) -> bytes:
        """Return the next bytes of the ciphertext."""
        return self._encryptor.update(plaintext)

    def finish(self) -> bytes:
        """Return its last bytes. Without them it is cut off, and does not open."""
        return self._encryptor.finalize()


class ChunkedOpener:
    """
    Decrypts one message. What it returns is authentic; that it is all of it is known after ``finish`` only.

    Args:
        key: as for ``ChunkedSealer``.
        context: as for ``ChunkedSealer``.
    """

    def __init__(self, key: bytes, context: bytes) -> None:
        self._decryptor = Cobblestone256Decryptor(key, context=context)

    def update(self, ciphertext: bytes) -> bytes:
        """
        Return the plaintext of the chunks that are whole.

        Raises:
            CipherError: another key or context, or changed bytes. Nothing of them was returned.
        """
        try:
            return self._decryptor.update(ciphertext)
        except (InvalidTag, AlreadyFinalized):
            raise CipherError("the message does not open: it is damaged, or of another key or place") from None

    def finish(self) -> bytes:
        """
        Return the last plaintext.

        Raises:
            CipherError: as for ``update``, or the message was cut off.
        """
        try:
            return self._decryptor.finalize()
        except (InvalidTag, AlreadyFinalized):
            raise CipherError("the message does not open: it is damaged or cut off, or of another key") from None


def seal(key: bytes, context: bytes, plaintext: bytes) -> bytes:
    """Return a short message, encrypted."""
    sealer = ChunkedSealer(key, context)
    return sealer.update(plaintext) + sealer.finish()
