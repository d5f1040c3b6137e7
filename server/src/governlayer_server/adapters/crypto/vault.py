"""
Envelope encryption of fields: key-encryption key → data key of the organization, and of data subjects → fields.

Every ciphertext is bound to its place (install, organization, table, column, row), to its version and to the keys it
needs as associated data, so that one moved or swapped does not open. What names data subjects needs the keys of all of
them: one destroyed, nothing of it opens any more. Fingerprints use keys derived from the pepper, one per purpose.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governlayer_server.adapters.crypto.context import joined
from governlayer_server.adapters.crypto.data_keys import DataKey, DataKeys
from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.crypto.peppers import Peppers, mark, number_of
from governlayer_server.adapters.crypto.xaes import KEY_BYTES, XAES256GCM
from governlayer_server.domain.errors import CipherError
from governlayer_server.ports import Place

_FIRST_VERSION, _VERSION = b"\x01", b"\x02"
_NUMBER = slice(1, 5)
_COUNT = 5
_HEADER_BYTES = 6
_ID_BYTES = 16
MAX_SUBJECTS = 64


class EnvelopeVault:
    """``ports.Vault``."""

    def __init__(self, *, install_id: str, ring: KeyRing, peppers: Peppers, keys: DataKeys) -> None:
        self._install_id = install_id
        self._ring = ring
        self._peppers = peppers
        self._keys = keys

    def __repr__(self) -> str:
        """No key material."""
        return "EnvelopeVault(…)"

    async def seal(self, place: Place, plaintext: bytes, subjects: Sequence[UUID] = ()) -> bytes:
        """
        Return *plaintext* encrypted for *place*: header ‖ nonce ‖ ciphertext ‖ tag.

        Args:
            place: where it is stored.
            plaintext: any bytes.
            subjects: ids of the keys of the data subjects named in it, at most 64 (``subjects``).

        Raises:
            CipherError: the key of a data subject is gone. Nothing was encrypted.
        """
        data_key = await self._keys.active(place.organization_id)
        ids = sorted(set(subjects))
        header = _header(data_key.number, ids)
        cipher = await self._cipher(place.organization_id, data_key, ids)
        return header + cipher.encrypt(plaintext, self._associated(place) + header)

    async def open(self, place: Place, sealed: bytes) -> bytes:
        """
        Return what was sealed for *place*.

        Raises:
            CipherError: damaged, sealed for another place or under another key, or a key that it needs is gone.
        """
        if sealed[:1] == _FIRST_VERSION:
            data_key = await self._keys.numbered(place.organization_id, 1)
            return data_key.cipher.decrypt(sealed[1:], self._associated(place))
        number, ids = _parsed(sealed)
        header = sealed[: _HEADER_BYTES + _ID_BYTES * len(ids)]
        data_key = await self._keys.numbered(place.organization_id, number)
        cipher = await self._cipher(place.organization_id, data_key, ids)
        return cipher.decrypt(sealed[len(header) :], self._associated(place) + header)

    async def reseal(self, place: Place, sealed: bytes) -> bytes:
        """
        Return what was sealed for *place*, encrypted anew with the data key in service, for the same data subjects.

        Raises:
            CipherError: it does not open, or a key that it needs is gone.
        """
        return await self.seal(place, await self.open(place, sealed), self.subjects_of(sealed))

    async def new_data_key(self, organization_id: UUID) -> int:
        """Return the number of a new data key of the organization, in service; the one before it opens on."""
        return await self._keys.succeed(organization_id)

    async def ready(self, organization_id: UUID | None) -> None:
        """
        Return once the data key is at hand, if there is one: to seal and to open then asks for no connection.

        None is made: an organization that somebody made up gets no key.
        """
        await self._keys.ready(organization_id)

    async def ready_for(self, organization_id: UUID | None, sealed: Iterable[bytes]) -> None:
        """Return once the keys of all data subjects that *sealed* need are at hand, by one question at most."""
        ids = {one for each in sealed if each[:1] == _VERSION for one in _parsed(each)[1]}
        if ids:
            await self._keys.ready_subjects(organization_id, ids)

    async def subjects(self, organization_id: UUID, names: Iterable[str]) -> tuple[UUID, ...]:
        """Return the ids of the data subjects' keys in this organization, ascending; they are made where missing."""
        return await self._keys.ids_of(organization_id, names, make=True)

    async def find_subject(self, organization_id: UUID, name: str) -> UUID | None:
        """Return the id of the data subject's key, if there is one."""
        found = await self._keys.ids_of(organization_id, [name], make=False)
        return found[0] if found else None

    async def subject_index(self, organization_id: UUID, name: str) -> bytes:
        """Return the keyed fingerprint that the data subject's key is found by, 32 bytes."""
        return await self._keys.index_of(organization_id, name)

    async def tombstone_mac(self, tombstone: bytes) -> bytes:
        """Return the code that tells a tombstone of this installation, 32 bytes: the same for ever."""
        return await self._keys.mac(None, b"governlayer/tombstone/" + tombstone)

    def forget_subjects(self, ids: Iterable[UUID]) -> None:
        """Drop these keys from memory: they were destroyed."""
        self._keys.forget_subjects(ids)

    def forget_keys(self) -> None:
        """Read all data keys anew: some have changed."""
        self._keys.forget()

    async def is_current(self, organization_id: UUID | None, sealed: bytes) -> bool:
        """Return whether *sealed* is under the data key that new ciphertexts are made with, or a newer one."""
        active = (await self._keys.active(organization_id)).number
        return sealed[:1] == _VERSION and int.from_bytes(sealed[_NUMBER], "big") >= active

    def subjects_of(self, sealed: bytes) -> Sequence[UUID]:
        """
        Return the ids of the subjects' keys that *sealed* needs.

        Raises:
            CipherError: its header is damaged.
        """
        return () if sealed[:1] == _FIRST_VERSION else _parsed(sealed)[1]

    def fingerprint(self, purpose: str, secret: bytes) -> bytes:
        """Return HMAC-SHA-256 of *secret* under the key of *purpose*; later peppers put their number first."""
        return self._peppers.fingerprint(purpose, secret)

    def fingerprints(self, purpose: str, secret: bytes) -> Sequence[bytes]:
        """Return the fingerprints of *secret* under every pepper at hand, that of the one in service first."""
        return self._peppers.fingerprints(purpose, secret)

    def is_outdated(self, fingerprint: bytes) -> bool:
        """Return whether *fingerprint* is under an earlier pepper than the one in service."""
        return number_of(fingerprint) < self._peppers.active

    def mark(self, number: int) -> bytes:
        """Return what fingerprints under the pepper *number* begin with."""
        return mark(number)

    def wrap(self, purpose: str, key: bytes) -> bytes:
        """Return *key* encrypted under the key-encryption key, for *purpose* alone."""
        return self._ring.wrap(purpose, key)

    def unwrap(self, purpose: str, wrapped: bytes) -> bytes:
        """
        Return the key that was wrapped for *purpose*.

        Raises:
            CipherError: wrapped under another key-encryption key, or for another purpose, or damaged.
        """
        return self._ring.unwrap(purpose, wrapped)

    async def _cipher(self, organization_id: UUID | None, data_key: DataKey, ids: Sequence[UUID]) -> XAES256GCM:
        if not ids:
            return data_key.cipher
        subject_keys = await self._keys.subjects(organization_id, ids)
        info = joined("governlayer-subjects", *map(str, ids))
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
        return XAES256GCM(derivation.derive(b"".join((data_key.key, *subject_keys))))

    def _associated(self, place: Place) -> bytes:
        return joined(
            "governlayer-field",
            self._install_id,
            str(place.organization_id),
            place.table,
            place.column,
            place.row,
        )


def _header(number: int, ids: Sequence[UUID]) -> bytes:
    if len(ids) > MAX_SUBJECTS:
        raise CipherError(f"a ciphertext names at most {MAX_SUBJECTS} data subjects")
    return _VERSION + number.to_bytes(4, "big") + bytes([len(ids)]) + b"".join(one.bytes for one in ids)


def _parsed(sealed: bytes) -> tuple[int, Sequence[UUID]]:
    """Return the number of the data key, and the ids of the keys of data subjects."""
    if sealed[:1] != _VERSION or len(sealed) < _HEADER_BYTES:
        raise CipherError("the ciphertext has an unknown version")
    end = _HEADER_BYTES + _ID_BYTES * sealed[_COUNT]
    if len(sealed) < end or sealed[_COUNT] > MAX_SUBJECTS:
        raise CipherError("the ciphertext is cut off")
    starts = range(_HEADER_BYTES, end, _ID_BYTES)
    return int.from_bytes(sealed[_NUMBER], "big"), [UUID(bytes=sealed[at : at + _ID_BYTES]) for at in starts]
