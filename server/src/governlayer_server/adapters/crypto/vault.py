"""
Envelope encryption of fields: key-encryption key → one data key per organization → fields.

Every ciphertext is bound to its place (install, organization, table, column, row) and key version as associated
data, so that one moved or swapped does not open. Fingerprints use keys derived from the pepper, one per purpose.
"""

import hmac
from collections.abc import Awaitable, Callable
from uuid import UUID

from governlayer_server.adapters.crypto.xaes import KEY_BYTES, XAES256GCM
from governlayer_server.domain.errors import CipherError
from governlayer_server.ports import Entropy, Place

_VERSION = b"\x01"

FindOrAddKey = Callable[[UUID | None, bytes], Awaitable[bytes]]
"""Stores the wrapped data key of an organization unless it has one; returns the one that it has."""


class EnvelopeVault:
    """``ports.Vault`` with data keys cached for the life of the process."""

    def __init__(
        self,
        *,
        install_id: str,
        key_encryption_key: bytes,
        pepper: bytes,
        keys: FindOrAddKey,
        entropy: Entropy,
    ) -> None:
        self._install_id = install_id
        self._wrapping = XAES256GCM(key_encryption_key)
        self._pepper = pepper
        self._keys = keys
        self._entropy = entropy
        self._opened: dict[UUID | None, XAES256GCM] = {}

    def __repr__(self) -> str:
        """No key material."""
        return "EnvelopeVault(…)"

    async def seal(self, place: Place, plaintext: bytes) -> bytes:
        """Return version ‖ nonce ‖ ciphertext ‖ tag for *place*."""
        key = await self._data_key(place.organization_id)
        return _VERSION + key.encrypt(plaintext, self._associated(place))

    async def open(self, place: Place, sealed: bytes) -> bytes:
        """
        Return what was sealed for *place*.

        Raises:
            CipherError: damaged, or sealed for another place or under another key.
        """
        if sealed[:1] != _VERSION:
            raise CipherError("the ciphertext has an unknown version")
        key = await self._data_key(place.organization_id)
        return key.decrypt(sealed[1:], self._associated(place))

    def fingerprint(self, purpose: str, secret: bytes) -> bytes:
        """Return HMAC-SHA-256 of *secret* under the key of *purpose*, 32 bytes."""
        key = hmac.digest(self._pepper, b"governlayer/fingerprint/" + purpose.encode(), "sha256")
        return hmac.digest(key, secret, "sha256")

    def wrap(self, purpose: str, key: bytes) -> bytes:
        """Return *key* encrypted under the key-encryption key, for *purpose* alone."""
        return _VERSION + self._wrapping.encrypt(key, self._key_context(purpose))

    def unwrap(self, purpose: str, wrapped: bytes) -> bytes:
        """
        Return the key that was wrapped for *purpose*.

        Raises:
            CipherError: wrapped under another key-encryption key, or for another purpose, or damaged.
        """
        if wrapped[:1] != _VERSION:
            raise CipherError("the wrapped key has an unknown version")
        return self._wrapping.decrypt(wrapped[1:], self._key_context(purpose))

    async def _data_key(self, organization_id: UUID | None) -> XAES256GCM:
        opened = self._opened.get(organization_id)
        if opened is None:
            purpose = f"data-key/{organization_id}"
            fresh = self.wrap(purpose, self._entropy.bytes(KEY_BYTES))
            wrapped = await self._keys(organization_id, fresh)
            opened = self._opened[organization_id] = XAES256GCM(self.unwrap(purpose, wrapped))
        return opened

    def _key_context(self, purpose: str) -> bytes:
        return _joined("governlayer-key", self._install_id, purpose)

    def _associated(self, place: Place) -> bytes:
        return _joined(
            "governlayer-field",
            self._install_id,
            str(place.organization_id),
            place.table,
            place.column,
            place.row,
        )


def _joined(*parts: str) -> bytes:
    """Join with lengths in front, so that no two lists of parts give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
