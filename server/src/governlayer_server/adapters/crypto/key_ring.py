"""
Key-encryption keys: they wrap keys and nothing else.

A wrapped key names the one that wrapped it, so that during a rotation both kinds open, and so that what is still under
the old one can be counted. Which one wraps is said by the database (``key_encryption_key``), for all replicas at once.
"""

import hmac
from collections.abc import Iterable, Mapping

from governlayer_server.adapters.crypto.context import joined
from governlayer_server.adapters.crypto.xaes import XAES256GCM
from governlayer_server.domain.errors import CipherError

KEY_ID_BYTES = 8
_UNNAMED, _NAMED = b"\x01", b"\x02"


def key_id(key: bytes) -> str:
    """Return the id of a key-encryption key, 16 hex digits: anybody who has the key can name it, nobody else can."""
    return hmac.digest(key, b"governlayer/key-id", "sha256")[:KEY_ID_BYTES].hex()


def check_value(key: bytes, install_id: str) -> bytes:
    """Return what is stored to know the key again, 32 bytes."""
    return hmac.digest(key, b"governlayer/key-check/" + install_id.encode(), "sha256")


class KeyRing:
    """
    The key-encryption keys at hand.

    Args:
        install_id: they open keys of this installation only.
        keys: 32 bytes each; the first one wraps, until ``renew`` names another.
    """

    def __init__(self, install_id: str, keys: Iterable[bytes]) -> None:
        self._install_id = install_id
        self._ciphers: Mapping[str, XAES256GCM] = {}
        self._first = self._active = ""
        given = list(keys)
        self.renew(given, key_id(given[0]), key_id(given[0]))

    def __repr__(self) -> str:
        """Ids only."""
        return f"KeyRing({', '.join(self._ciphers)})"

    @property
    def active(self) -> str:
        """The id of the key that wraps."""
        return self._active

    def renew(self, keys: Iterable[bytes], active: str, first: str) -> None:
        """
        Use *keys* from now on.

        Args:
            keys: all that are at hand.
            active: the id of the one that wraps.
            first: the id of the one that keys without a name were wrapped under.

        Raises:
            CipherError: *active* is not among them. Nothing was changed.
        """
        found = {key_id(key): key for key in keys}
        if active not in found:
            raise CipherError(f"the key-encryption key {active} is not at hand")
        self._ciphers = {name: XAES256GCM(key) for name, key in found.items()}
        self._active, self._first = active, first

    def wrap(self, purpose: str, key: bytes) -> bytes:
        """Return *key* encrypted for *purpose* alone: version ‖ key id ‖ nonce ‖ ciphertext ‖ tag."""
        header = self.header
        return header + self._ciphers[self._active].encrypt(key, self._context(purpose) + header)

    def unwrap(self, purpose: str, wrapped: bytes) -> bytes:
        """
        Return the key that was wrapped for *purpose*.

        Raises:
            CipherError: damaged, wrapped for another purpose, or under a key that is not at hand.
        """
        if wrapped[:1] == _UNNAMED:
            return self._cipher(self._first).decrypt(wrapped[1:], self._context(purpose))
        header, rest = wrapped[: 1 + KEY_ID_BYTES], wrapped[1 + KEY_ID_BYTES :]
        if header[:1] != _NAMED or len(header) <= KEY_ID_BYTES:
            raise CipherError("the wrapped key has an unknown version")
        return self._cipher(header[1:].hex()).decrypt(rest, self._context(purpose) + header)

    @property
    def header(self) -> bytes:
        """What everything begins with that is wrapped now."""
        return _NAMED + bytes.fromhex(self._active)

    def _cipher(self, name: str) -> XAES256GCM:
        if name not in self._ciphers:
            raise CipherError(f"the key-encryption key {name} is not at hand")
        return self._ciphers[name]

    def _context(self, purpose: str) -> bytes:
        return joined("governlayer-key", self._install_id, purpose)
