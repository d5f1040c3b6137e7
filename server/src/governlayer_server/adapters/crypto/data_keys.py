"""
The data keys of tenants and data subjects, unwrapped and kept in memory.

What another process makes active, retires or destroys is known here once ``forget`` is called, which follows within a
second (``key_change``). Until then a destroyed key seals nothing that is kept: the ledger's append looks for it.
"""

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

from msgspec import Struct

from governlayer_server.adapters.crypto.key_ring import KeyRing
from governlayer_server.adapters.crypto.xaes import KEY_BYTES, XAES256GCM
from governlayer_server.domain.errors import CipherError, LedgerUnavailable
from governlayer_server.domain.tenants import tenant_name
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.data_keys import (
    INDEX_NUMBER,
    DataKeyState,
    DataKeyStore,
    StoredDataKey,
    StoredSubjectKey,
)

_MAX_SUBJECTS = 50_000
_FIRST_NUMBER = 1


class DataKey(NamedTuple):
    """One key, and the cipher made of it."""

    number: int
    key: bytes
    cipher: XAES256GCM

    def __repr__(self) -> str:
        """No key material."""
        return f"DataKey({self.number})"


class _Subject(Struct, frozen=True):
    owner: str
    id: UUID
    index: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"_Subject({self.id})"


class _Owned(NamedTuple):
    keys: Mapping[int, DataKey]
    active: int | None


class DataKeys:
    """
    Finds keys, and makes those that are missing.

    Args:
        ring: unwraps.
        store: where they are.
        clock: of the time that they were made.
        entropy: makes them.
        room: how many keys of data subjects stay in memory, of all tenants together.
    """

    def __init__(
        self, ring: KeyRing, store: DataKeyStore, clock: Clock, entropy: Entropy, room: int = _MAX_SUBJECTS
    ) -> None:
        self._ring = ring
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._owned: dict[UUID | None, _Owned] = {}
        self._turns: WeakValueDictionary[UUID | None, asyncio.Lock] = WeakValueDictionary()
        self._making: WeakValueDictionary[UUID | None, asyncio.Lock] = WeakValueDictionary()
        self._room = room
        self._subjects: OrderedDict[UUID, _Subject] = OrderedDict()
        self._ids: dict[tuple[str, bytes], UUID] = {}

    def forget(self) -> None:
        """Read everything anew when it is needed next."""
        self._owned.clear()
        self._subjects.clear()
        self._ids.clear()

    async def ready(self, organization_id: UUID | None) -> None:
        """Return once the keys are at hand, if there are any. None is made."""
        await self._find(organization_id)

    async def active(self, organization_id: UUID | None) -> DataKey:
        """Return the key that new ciphertexts are made with; it is made where there is none."""
        owned = await self._find(organization_id)
        if owned.active is None:
            await self._make(organization_id, _FIRST_NUMBER, DataKeyState.ACTIVE)
            owned = await self._find(organization_id)
        if owned.active is None:
            raise CipherError("the tenant has no data key in service")
        return owned.keys[owned.active]

    async def succeed(self, organization_id: UUID) -> int:
        """Return the number of a new key that new ciphertexts are made with; the one before it opens on."""
        owner = tenant_name(organization_id)
        number = max(one.number for one in await self._store.data_keys(owner)) + 1
        fresh = self._fresh(organization_id, number, DataKeyState.ACTIVE)
        await self._store.succeed(owner, fresh, self._clock.now_us())
        self._owned.pop(organization_id, None)
        return number

    async def numbered(self, organization_id: UUID | None, number: int) -> DataKey:
        """
        Return the key *number*, which may have been made by another process a moment ago.

        Raises:
            CipherError: there is none, any more or at all.
        """
        owned = await self._find(organization_id)
        if number not in owned.keys:
            self._owned.pop(organization_id, None)
            owned = await self._find(organization_id)
        if number not in owned.keys or number == INDEX_NUMBER:
            raise CipherError("there is no such data key")
        return owned.keys[number]

    async def index_of(self, organization_id: UUID | None, subject: str) -> bytes:
        """Return the fingerprint that the subject's key is found by, 32 bytes; equal in this tenant alone."""
        return await self.mac(organization_id, b"governlayer/subject/" + subject.encode())

    async def mac(self, organization_id: UUID | None, message: bytes) -> bytes:
        """Return HMAC-SHA-256 of *message* under the tenant's index key, which no rotation replaces: 32 bytes."""
        owned = await self._find(organization_id)
        if INDEX_NUMBER not in owned.keys:
            await self._make(organization_id, INDEX_NUMBER, DataKeyState.INDEX)
            owned = await self._find(organization_id)
        return hmac.digest(owned.keys[INDEX_NUMBER].key, message, "sha256")

    async def ids_of(self, organization_id: UUID | None, subjects: Iterable[str], *, make: bool) -> tuple[UUID, ...]:
        """
        Return the ids of the subjects' keys, ascending; those that are missing are made, or left out.

        Args:
            organization_id: whose ledger names them.
            subjects: as the caller names them; several names of one are one.
            make: whether to make what is missing.
        """
        owner = tenant_name(organization_id)
        indexes = {await self.index_of(organization_id, subject) for subject in subjects}
        found = {one.index: one for one in self._known(owner, indexes=indexes)}
        found |= await self._read(owner, indexes=indexes - found.keys())
        missing = indexes - found.keys()
        if missing and make:
            await self._store.add_subject_keys(owner, [self._new(owner, one) for one in missing], self._clock.now_us())
            found |= await self._read(owner, indexes=missing)
            if indexes - found.keys():
                raise LedgerUnavailable("the key of a data subject was destroyed the moment it was made")
        return tuple(sorted(one.id for one in found.values()))

    async def subjects(self, organization_id: UUID | None, ids: Sequence[UUID]) -> Sequence[bytes]:
        """
        Return the keys of these data subjects, in the order of *ids*.

        Raises:
            CipherError: one of them is gone: it was erased.
        """
        owner, wanted = tenant_name(organization_id), set(ids)
        found = {one.id: one for one in self._known(owner, ids=wanted)}
        read = await self._read(owner, ids=wanted - found.keys())
        found |= {one.id: one for one in read.values()}
        if wanted - found.keys():
            raise CipherError("the key of a data subject is gone")
        return [found[one].key for one in ids]

    async def ready_subjects(self, organization_id: UUID | None, ids: Iterable[UUID]) -> None:
        """Return once those of these keys that there are have been read; all of them stay if they are not too many."""
        owner, wanted = tenant_name(organization_id), set(ids)
        await self._read(owner, ids=wanted - {one.id for one in self._known(owner, ids=wanted)})

    def forget_subjects(self, ids: Iterable[UUID]) -> None:
        """Drop these keys from memory."""
        for one in ids:
            if (subject := self._subjects.pop(one, None)) is not None:
                self._ids.pop((subject.owner, subject.index), None)

    def _known(self, owner: str, *, indexes: Collection[bytes] = (), ids: Collection[UUID] = ()) -> Sequence[_Subject]:
        """Return those that are in memory, and keep them for longer."""
        named = [self._ids[owner, index] for index in indexes if (owner, index) in self._ids]
        found = [self._subjects[one] for one in (*named, *ids) if one in self._subjects]
        for one in found:
            self._subjects.move_to_end(one.id)
        return [one for one in found if one.owner == owner]

    async def _read(
        self, owner: str, *, indexes: Collection[bytes] = (), ids: Collection[UUID] = ()
    ) -> Mapping[bytes, _Subject]:
        """
        Return those that are stored, by index; memory keeps as many as it has room for.

        Raises:
            CipherError: one does not open, or is not the key of the subject that it stands for.
        """
        if not indexes and not ids:
            return {}
        stored = await self._store.subject_keys(owner, list(indexes), list(ids))
        found = {one.index: self._opened_subject(owner, one) for one in stored}
        for one in found.values():
            self._subjects[one.id] = one
            self._ids[owner, one.index] = one.id
        while len(self._subjects) > self._room:
            _, oldest = self._subjects.popitem(last=False)
            self._ids.pop((oldest.owner, oldest.index), None)
        return found

    async def _find(self, organization_id: UUID | None) -> _Owned:
        """Return the tenant's keys from memory or the store, which is asked once however many wait for it."""
        if organization_id in self._owned:
            return self._owned[organization_id]
        async with self._turns.setdefault(organization_id, asyncio.Lock()):
            if organization_id not in self._owned:
                stored = await self._store.data_keys(tenant_name(organization_id))
                owned = _Owned(
                    keys={one.number: self._opened(organization_id, one) for one in stored},
                    active=max((one.number for one in stored if _is_active(one)), default=None),
                )
                if not stored:
                    return owned  # who makes up organizations fills no memory
                self._owned[organization_id] = owned
            return self._owned[organization_id]

    async def _make(self, organization_id: UUID | None, number: int, state: DataKeyState) -> None:
        """Make the key, once however many need it: each would take a connection."""
        async with self._making.setdefault(organization_id, asyncio.Lock()):
            if number in (await self._find(organization_id)).keys:
                return
            fresh = self._fresh(organization_id, number, state)
            await self._store.add_data_key(tenant_name(organization_id), fresh, self._clock.now_us())
            self._owned.pop(organization_id, None)

    def _fresh(self, organization_id: UUID | None, number: int, state: DataKeyState) -> StoredDataKey:
        wrapped = self._ring.wrap(data_key_purpose(organization_id, number), self._entropy.bytes(KEY_BYTES))
        return StoredDataKey(number=number, wrapped=wrapped, state=state)

    def _opened(self, organization_id: UUID | None, stored: StoredDataKey) -> DataKey:
        key = self._ring.unwrap(data_key_purpose(organization_id, stored.number), stored.wrapped)
        return DataKey(stored.number, key, XAES256GCM(key))

    def _new(self, owner: str, index: bytes) -> StoredSubjectKey:
        """Return a new key. The index is wrapped with it, so that no row can be made to stand for somebody else."""
        one = UUID(bytes=self._entropy.bytes(16), version=4)
        wrapped = self._ring.wrap(subject_key_purpose(owner, one), self._entropy.bytes(KEY_BYTES) + index)
        return StoredSubjectKey(id=one, index=index, wrapped=wrapped)

    def _opened_subject(self, owner: str, stored: StoredSubjectKey) -> _Subject:
        opened = self._ring.unwrap(subject_key_purpose(owner, stored.id), stored.wrapped)
        if opened[KEY_BYTES:] != stored.index:
            raise CipherError("the key of a data subject stands for another one")
        return _Subject(owner, stored.id, stored.index, opened[:KEY_BYTES])


def _is_active(key: StoredDataKey) -> bool:
    return key.state is DataKeyState.ACTIVE and key.number != INDEX_NUMBER


def data_key_purpose(organization_id: UUID | None, number: int) -> str:
    """Return what a data key is wrapped for."""
    name = f"data-key/{organization_id}"
    return name if number == _FIRST_NUMBER else f"{name}/{number}"


def subject_key_purpose(owner: str, subject_id: UUID) -> str:
    """Return what the key of a data subject is wrapped for."""
    return f"subject-key/{owner}/{subject_id}"
