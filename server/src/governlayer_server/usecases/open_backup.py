"""Find backups in their destination, and open one: nothing of it is used before its manifest has proven authentic."""

from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.domain.backup import (
    BACKUPS,
    ENVELOPE,
    FORMAT,
    MANIFEST,
    VERIFIED,
    Envelope,
    Manifest,
    file_name,
    is_backup_id,
    is_own,
)
from governlayer_server.domain.errors import BackupError, NotFound
from governlayer_server.ports.backups import BackupStore, FileKeys, SealedFiles

_MAX_ENVELOPE_BYTES = 65_536
_ENVELOPE, _MANIFEST = msgspec.json.Decoder(Envelope), msgspec.json.Decoder(Manifest)
FilesOf = Callable[[BackupStore, str, str, bytes], SealedFiles]
"""Returns the files of a folder of a store, of the backup of an id, under a file key."""


class Place(Struct, frozen=True, kw_only=True):
    """
    A destination of backups, and what opens its files.

    Attributes:
        store: that keeps them.
        keys: open what is there.
        files_of: reads and writes files under an opened key.
        subject_keys: open the data subjects' keys, where those are under a later passphrase.
        home: tell what was made here from what others put there, where there is a key-encryption key.
    """

    store: BackupStore
    keys: FileKeys
    files_of: FilesOf
    subject_keys: FileKeys | None = None
    home: FileKeys | None = None

    def by(self, keys: FileKeys | None) -> "Place":
        """Return the same destination, opened by *keys*; None: as it is."""
        return self if keys is None else replace(self, keys=keys)


class Found(Struct, frozen=True, kw_only=True):
    """
    A backup in its destination, as its names tell; nothing of it has been opened.

    Attributes:
        id: of the backup.
        size: of all its files, bytes.
        is_whole: whether it has a manifest.
        is_verified: whether all of it was read once and found sound.
    """

    id: str
    size: int
    is_whole: bool
    is_verified: bool


class OpenedBackup(Struct, frozen=True, kw_only=True):
    """A backup whose manifest is authentic."""

    manifest: Manifest
    files: SealedFiles


async def find_backups(store: BackupStore) -> Sequence[Found]:
    """Return the backups of a destination, the oldest first."""
    files: dict[str, dict[str, int]] = {}
    for one in await store.list(BACKUPS):
        backup_id, _, name = one.name.removeprefix(BACKUPS).partition("/")
        if is_backup_id(backup_id) and is_own(name):
            files.setdefault(backup_id, {})[name] = one.size
    return [
        Found(id=one, size=sum(names.values()), is_whole=MANIFEST in names, is_verified=VERIFIED in names)
        for one, names in sorted(files.items())
    ]


async def open_backup(place: Place, backup_id: str | None = None) -> OpenedBackup:
    """
    Return a backup whose manifest has been decrypted.

    Args:
        place: where it is.
        backup_id: which; None: the newest whole one.

    Raises:
        NotFound: there is none.
        BackupError: it does not open, or is damaged.
        Unavailable: the store does not answer, or memory for the passphrase's key is missing.
    """
    whole = [one.id for one in await find_backups(place.store) if one.is_whole]
    if not whole or backup_id not in {None, *whole}:
        which = "whole backup" if backup_id is None else f"whole backup {backup_id}"
        raise NotFound(f"there is no {which} in {place.store}")
    return await _opened(place, backup_id or whole[-1])


async def newest_genuine(place: Place, *, whole: bool = False) -> Found | None:
    """
    Return the newest backup that was made here, whatever names others put beside it; *whole*: that has a manifest.

    Raises:
        Unavailable: the store does not answer.
    """
    for one in reversed(await find_backups(place.store)):
        if (one.is_whole or not whole) and await is_genuine(place, one):
            return one
    return None


async def newest_verified(place: Place) -> Found | None:
    """
    Return the newest backup that was read once and found sound, by somebody who could open it.

    Raises:
        Unavailable: the store does not answer.
    """
    for one in reversed(await find_backups(place.store)):
        if one.is_verified and await is_verified(place, one):
            return one
    return None


async def is_genuine(place: Place, found: Found) -> bool:
    """Return whether a backup opens: its manifest, or where it was cut off its envelope."""
    home = place.by(place.home)
    try:
        await (_opened(home, found.id) if found.is_whole else open_files(home, found.id))
    except BackupError:
        return False
    return True


async def is_verified(place: Place, found: Found) -> bool:
    """Return whether somebody who could open a backup left word in it that it was read and found sound."""
    try:
        _, files = await open_files(place.by(place.home), found.id)
        return found.is_verified and await read_all(files.read(VERIFIED)) == found.id.encode()
    except BackupError:
        return False


async def _opened(place: Place, chosen: str) -> OpenedBackup:
    _, files = await open_files(place, chosen)
    try:
        manifest = _MANIFEST.decode(await read_all(files.read(MANIFEST)))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise BackupError(f"the manifest of {chosen} cannot be read: a newer version made it") from None
    if (manifest.format, manifest.id) != (FORMAT, chosen):
        raise BackupError(f"the manifest of {chosen} is that of another backup")
    return OpenedBackup(manifest=manifest, files=files)


async def open_files(place: Place, backup_id: str) -> tuple[Envelope, SealedFiles]:
    """
    Return the files of a backup, which need not be whole; its envelope opens.

    Raises:
        BackupError: the envelope is missing or damaged, or does not open.
    """
    envelope, _ = await read_envelope(place.store, file_name(backup_id, ENVELOPE))
    if envelope.id != backup_id:
        raise BackupError(f"the envelope of {backup_id} is that of another backup")
    key = await place.keys.open(envelope, "backup")
    return envelope, place.files_of(place.store, file_name(backup_id, ""), backup_id, key)


async def read_envelope(store: BackupStore, name: str) -> tuple[Envelope, int]:
    """
    Return the envelope in the first line of a file, and how many bytes that line has.

    Raises:
        BackupError: there is none.
    """
    line = b""
    try:
        async for piece in store.read(name):
            line += piece
            if b"\n" in piece or len(line) > _MAX_ENVELOPE_BYTES:
                break
        text, end, _ = line.partition(b"\n")
        envelope = _ENVELOPE.decode(text)
    except NotFound:
        raise BackupError(f"{name} is missing") from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise BackupError(f"{name} is damaged") from None
    if not end or msgspec.json.encode(envelope) != text:
        raise BackupError(f"{name} is damaged")
    return envelope, len(text) + len(end)


async def read_all(pieces: AsyncIterator[bytes]) -> bytes:
    """Return the bytes of a file that is small."""
    return b"".join([piece async for piece in pieces])
