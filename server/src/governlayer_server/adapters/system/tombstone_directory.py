"""``ports.erasures.TombstoneList`` as files: ``<id>.json``, each written once, for their owner alone."""

import asyncio
import hmac
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import rfc8785
from msgspec import Struct

from governlayer_server.domain.erasure import Tombstone
from governlayer_server.domain.errors import CipherError, Unavailable

Mac = Callable[[bytes], Awaitable[bytes]]
"""Returns the code of a tombstone's bytes that only this installation can make (``EnvelopeVault.tombstone_mac``)."""
_SUFFIX = ".json"


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mac: str
    tombstone: Tombstone


class TombstoneDirectory:
    """
    Keeps tombstones in a directory.

    Args:
        path: made (0700) when the first file is; None: there is no list, and nothing can be added to it.
        mac: proves later that this installation wrote them.
    """

    def __init__(self, path: Path | None, mac: Mac) -> None:
        self._path = path
        self._mac = mac

    async def ready(self) -> None:
        """
        Return once the key of the codes is in memory.

        Raises:
            Unavailable: there is no list.
        """
        self._directory()
        await self._mac(b"")

    async def add(self, tombstone: Tombstone) -> None:
        """
        Write *tombstone* to a file of its own (0600), durable on return.

        Raises:
            Unavailable: it cannot be written, there is one with its id, or there is no list.
        """
        text = msgspec.to_builtins(tombstone)
        mac = await self._mac(rfc8785.dumps(text))
        contents = rfc8785.dumps({"mac": mac.hex(), "tombstone": text}) + b"\n"
        file = self._directory() / f"{tombstone.id}{_SUFFIX}"
        try:
            await asyncio.to_thread(_write_once, file, contents)
        except OSError as error:
            raise Unavailable(
                f"the tombstone {file} cannot be written ({error.strerror}): nothing was erased"
            ) from None

    async def take(self, name: str, contents: bytes) -> None:
        """
        Keep a file that another copy of this list has; one that is there stays as it is.

        Raises:
            CipherError: it was not written by this installation, or was changed. It is not kept.
            Unavailable: it cannot be written.
        """
        file = self._directory() / name
        await self._checked(file, contents)
        try:
            with suppress(FileExistsError):
                await asyncio.to_thread(_write_once, file, contents)
        except OSError as error:
            raise Unavailable(f"the tombstone {file} cannot be written: {error.strerror}") from None

    def _directory(self) -> Path:
        """A restore would bring back what no list names."""
        if self._path is None:
            raise Unavailable("nothing can be erased: GOVERNLAYER_TOMBSTONE_DIR names no directory for the list")
        return self._path

    async def read(self) -> AsyncIterator[Tombstone]:
        """
        Yield all, in the order of their ids, which is that of their times.

        Raises:
            Unavailable: one cannot be read.
            CipherError: one was not written by this installation, or was changed.
        """
        if self._path is None or not self._path.exists():
            return
        for file in sorted(self._path.glob(f"*{_SUFFIX}")):
            yield await self._one(file)

    async def _one(self, file: Path) -> Tombstone:
        try:
            contents = await asyncio.to_thread(file.read_bytes)
        except OSError as error:
            raise Unavailable(f"the tombstone {file} cannot be read: {error.strerror}") from None
        return await self._checked(file, contents)

    async def _checked(self, file: Path, contents: bytes) -> Tombstone:
        try:
            found = msgspec.json.decode(contents, type=_File)
            mac = bytes.fromhex(found.mac)
        except (msgspec.MsgspecError, ValueError):
            raise CipherError(f"the tombstone {file} is damaged") from None
        wanted = await self._mac(rfc8785.dumps(msgspec.to_builtins(found.tombstone)))
        if not hmac.compare_digest(mac, wanted) or file.name != f"{found.tombstone.id}{_SUFFIX}":
            raise CipherError(f"the tombstone {file} is not one of this installation, or was changed")
        return found.tombstone


def _write_once(file: Path, contents: bytes) -> None:
    """Write a file whole or not at all, and only where there is none."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(contents)
        opened.flush()
        os.fsync(descriptor)
    os.link(draft, file)  # unlike a rename it never replaces one
    draft.unlink()
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
