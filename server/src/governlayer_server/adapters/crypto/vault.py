"""
Envelope encryption of fields: key-encryption key → one data key per organization → fields.

Every ciphertext is bound to its place (install, organization, table, column, row) and key version as associated
data, so that one moved or swapped does not open. Fingerprints use keys derived from the pepper, one per purpose.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from uuid import UUID
from weakref import WeakValueDictionary

from governlayer_server.adapters.crypto.xaes import KEY_BYTES, XAES256GCM
from governlayer_server.domain.errors import CipherError
from governlayer_server.ports import Entropy, Place

_VERSION = b"\x01"

FindOrAddKey = Callable[[UUID | None, bytes | None], Awaitable[bytes | None]]
"""Returns the wrapped data key of an organization; where it has none, the given one is stored, or None returned."""


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
        self._turns: WeakValueDictionary[UUID | None, asyncio.Lock] = WeakValueDictionary()

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

    async def ready(self, organization_id: UUID | None) -> None:
        """
        Return once the data key is at hand, if there is one: to seal and to open then asks for no connection.

        None is made: an organization that somebody made up gets no key.
        """
        await self._find(organization_id, None)

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
            fresh = self.wrap(_purpose(organization_id), self._entropy.bytes(KEY_BYTES))
            opened = await self._find(organization_id, fresh)
        if opened is None:
            raise CipherError("there is no data key")
        return opened

    async def _find(self, organization_id: UUID | None, fresh: bytes | None) -> XAES256GCM | None:
        """Return the data key from memory or the database, which is asked once however many wait for it."""
        if organization_id in self._opened:
            return self._opened[organization_id]
        async with self._turns.setdefault(organization_id, asyncio.Lock()):
            if organization_id not in self._opened:
                wrapped = await self._keys(organization_id, fresh)
                if wrapped is None:
                    return None
                self._opened[organization_id] = XAES256GCM(self.unwrap(_purpose(organization_id), wrapped))
            return self._opened[organization_id]

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


def _purpose(organization_id: UUID | None) -> str:
    return f"data-key/{organization_id}"


def _joined(*parts: str) -> bytes:
    """Join with lengths in front, so that no two lists of parts give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
