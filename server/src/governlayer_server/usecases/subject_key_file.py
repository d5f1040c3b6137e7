"""The newest file of data subjects' keys: all that is left of them, whichever backup is put back."""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from governlayer_server.domain.backup import KEYS, KeyRows, keys_name, keys_of
from governlayer_server.domain.errors import BackupError
from governlayer_server.usecases.open_backup import Place, read_envelope

_KEY_ROWS = msgspec.json.Decoder(KeyRows)
_MAX_HEAD_BYTES = 65_536


class SubjectKeyFile(Struct, frozen=True, kw_only=True):
    """
    The file that was opened.

    Attributes:
        backup_id: with which it was written.
        columns: none where there was no such table.
        wrapped_by: the key-encryption keys then, in base64.
        rows: a COPY in PostgreSQL's binary format.
    """

    backup_id: str
    columns: tuple[str, ...]
    wrapped_by: tuple[str, ...]
    rows: AsyncIterator[bytes]

    def __repr__(self) -> str:
        """No keys."""
        return f"SubjectKeyFile({self.backup_id})"


async def open_subject_keys(place: Place, not_before: str = "") -> SubjectKeyFile:
    """
    Return the newest file of keys.

    Args:
        place: where it is.
        not_before: the newest backup that is known: it was written with that one, or later.

    Raises:
        BackupError: there is none, it is older, or it is damaged or does not open: it may be under a later passphrase.
        Unavailable: the store does not answer.
    """
    ids = [backup_id for one in await place.store.list(KEYS) if (backup_id := keys_of(one.name))]
    newest = max(ids, default=None)
    if newest is None:
        raise BackupError("the file of the data subjects' keys is missing")
    if newest < not_before:
        raise BackupError(f"the file of the data subjects' keys is older ({newest}) than the backup {not_before}")
    name = keys_name(newest)
    envelope, skip = await read_envelope(place.store, name)
    if envelope.id != newest:
        raise BackupError(f"{name} is that of another backup")
    try:
        key = await (place.subject_keys or place.keys).open(envelope, "keys")
    except BackupError as error:
        raise BackupError(f"{error}. A passphrase that was changed since: --keys-passphrase-file") from None
    pieces = place.files_of(place.store, "", newest, key).read(name, skip=skip)
    head, rest = await _head(pieces)
    try:
        about = _KEY_ROWS.decode(head)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
        raise BackupError(f"{name} cannot be read: a newer version made it") from None
    return SubjectKeyFile(
        backup_id=newest,
        columns=tuple(one.name for one in about.columns),
        wrapped_by=about.wrapped_by,
        rows=_joined(rest, pieces),
    )


async def _head(pieces: AsyncIterator[bytes]) -> tuple[bytes, bytes]:
    head = b""
    async for piece in pieces:
        head += piece
        if b"\n" in piece or len(head) > _MAX_HEAD_BYTES:
            break
    line, _, rest = head.partition(b"\n")
    return line, rest


async def _joined(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in pieces:
        yield piece
