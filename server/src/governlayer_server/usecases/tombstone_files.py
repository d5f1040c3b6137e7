"""The files of the list of what was erased, in a destination of backups or a directory: compared, never trusted."""

from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from governlayer_server.domain.backup import TOMBSTONES, is_tombstone
from governlayer_server.domain.errors import BackupError
from governlayer_server.ports.backups import BackupStore

MAX_TOMBSTONE_BYTES = 64 * 1024 * 1024
"""Of one file: an erasure of some millions of records that do not stand side by side."""


class TombstoneFiles(Struct, frozen=True, kw_only=True):
    """
    A list.

    Attributes:
        store: that keeps it.
        name: of the place, for errors.
        prefix: of its files.
    """

    store: BackupStore
    name: str
    prefix: str = TOMBSTONES

    async def names(self) -> Sequence[str]:
        """Return the names of its files."""
        names = [one.name.removeprefix(self.prefix) for one in await self.store.list(self.prefix)]
        return [name for name in names if is_tombstone(name)]

    async def read(self, name: str, known: Mapping[str, str]) -> bytes:
        """
        Return the content of a file; whether it is genuine is for the reader to find out.

        Args:
            name: of the file.
            known: hashes of files by name, from manifests.

        Raises:
            BackupError: it is too large, or not what is known of it.
        """
        content = b"".join([piece async for piece in self._bounded(name)])
        if name in known and sha256(content).hexdigest() != known[name]:
            raise BackupError(f"the tombstone {name} in {self.name} was changed since a backup named it")
        return content

    async def _bounded(self, name: str) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self.store.read(self.prefix + name):
            size += len(piece)
            if size > MAX_TOMBSTONE_BYTES:
                raise BackupError(f"the tombstone {name} in {self.name} is larger than {MAX_TOMBSTONE_BYTES} bytes")
            yield piece


async def require_all(lists: Sequence[TombstoneFiles], known: Mapping[str, str]) -> None:
    """
    Return if each file that is *known* is on one of the *lists*.

    Raises:
        BackupError: some are missing: what they say would not be erased again.
    """
    there = {name for one in lists for name in await one.names()}
    if missing := sorted(known.keys() - there):
        raise BackupError(
            f"of the tombstones that a backup names, {len(missing)} are missing ({missing[0]}): what was erased would "
            "come back; name a copy of the list with --tombstones DIR"
        )
