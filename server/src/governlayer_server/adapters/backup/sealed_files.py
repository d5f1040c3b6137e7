"""
The files of one backup: ``ports.backups.SealedFiles``. Compressed (zstd), encrypted, bound to backup and name.

Zstandard and not zlib: on one core it packs several times as fast, and packs what can be packed better. Most of a
backup is ciphertext already, which neither makes smaller.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import zstandard

from governlayer_server.adapters.crypto.chunked import ChunkedOpener, ChunkedSealer
from governlayer_server.domain.backup import context
from governlayer_server.domain.errors import BackupError, CipherError, NotFound
from governlayer_server.ports.backups import BackupStore, Writer, Written

_LEVEL = 3
_BLOCK_BYTES = 262_144


class SealedFiles:
    """
    The files of the backup *backup_id*.

    Args:
        store: that keeps them.
        folder: in front of their names in the store.
        backup_id: what they are bound to, each with its name.
        key: of the files, 32 bytes.
    """

    def __init__(self, store: BackupStore, folder: str, backup_id: str, key: bytes) -> None:
        self._store = store
        self._folder = folder
        self._backup_id = backup_id
        self._key = key

    def __repr__(self) -> str:
        """No key."""
        return f"SealedFiles({self._backup_id})"

    @asynccontextmanager
    async def writer(self, name: str, head: bytes = b"") -> AsyncIterator["_Sealing"]:
        """Write a file; *head* goes in front of it as it is."""
        async with self._store.writer(self._folder + name) as to:
            sealing = _Sealing(to, ChunkedSealer(self._key, context(self._backup_id, name)))
            if head:
                await sealing.plainly(head)
            yield sealing
            await sealing.finish()

    async def read(self, name: str, expected: Written | None = None, skip: int = 0) -> AsyncIterator[bytes]:
        """Yield the plaintext of a file."""
        opening = _Opening(ChunkedOpener(self._key, context(self._backup_id, name)), skip)
        try:
            async for block in self._store.read(self._folder + name):
                yield await asyncio.to_thread(opening.update, block)
            yield opening.finish()
        except NotFound:
            raise BackupError(f"the file {name} of the backup {self._backup_id} is missing") from None
        except (CipherError, zstandard.ZstdError):
            raise BackupError(f"the file {name} of the backup {self._backup_id} is damaged or cut off") from None
        if expected is not None and opening.read != expected:
            raise BackupError(f"the file {name} of the backup {self._backup_id} is another than its manifest names")


class _Sealing:
    def __init__(self, to: Writer, sealer: ChunkedSealer) -> None:
        self._to = to
        self._sealer = sealer
        self._packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        self._digest = sha256()
        self._size = 0
        self._waiting = bytearray()

    @property
    def written(self) -> Written:
        """What was written so far."""
        return Written(size=self._size, sha256=self._digest.hexdigest())

    async def write(self, data: bytes) -> None:
        """Take *data*, and pack and encrypt what has come together, beside the event loop."""
        self._waiting += data
        if len(self._waiting) >= _BLOCK_BYTES:
            await self._send(await asyncio.to_thread(self._seal, self._taken()))

    async def plainly(self, data: bytes) -> None:
        """Write *data* as it is."""
        await self._send(data)

    async def finish(self) -> None:
        """Write the rest."""
        last = self._seal(self._taken()) + self._sealer.update(self._packer.flush()) + self._sealer.finish()
        await self._send(last)

    def _taken(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken

    def _seal(self, data: bytes) -> bytes:
        return self._sealer.update(self._packer.compress(data))

    async def _send(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        await self._to.write(data)


class _Opening:
    def __init__(self, opener: ChunkedOpener, skip: int) -> None:
        self._opener = opener
        self._skip = skip
        self._unpacker = zstandard.ZstdDecompressor().decompressobj()
        self._digest = sha256()
        self._size = 0

    @property
    def read(self) -> Written:
        """What was read."""
        return Written(size=self._size, sha256=self._digest.hexdigest())

    def update(self, data: bytes) -> bytes:
        """Return the plaintext of *data*."""
        self._digest.update(data)
        self._size += len(data)
        head, self._skip = self._skip, max(0, self._skip - len(data))
        return self._unpack(self._opener.update(data[head:]))

    def finish(self) -> bytes:
        """Return the rest of it, which has to be its end."""
        rest = self._unpack(self._opener.finish())
        if not self._unpacker.eof:
            raise CipherError("the message ends too early")
        return rest

    def _unpack(self, data: bytes) -> bytes:
        return self._unpacker.decompress(data) if data and not self._unpacker.eof else b""
