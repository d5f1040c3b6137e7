"""Backups in a directory: ``ports.backups.BackupStore``. Folders 0700, files 0600, durable before they are named."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from governlayer_server.adapters.backup.names import checked_name
from governlayer_server.adapters.embedded.directory import sync_directory
from governlayer_server.domain.errors import NotFound, Unavailable
from governlayer_server.ports.backups import StoredFile

_READ_BYTES = 262_144


class DirectoryStore:
    """
    Keeps each file as one of a directory.

    Args:
        path: the directory; it is made, with its parents, by the first file that is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator["_FileWriter"]:
        """Write a file under a hidden name, and give it its own once it is durable."""
        file = self._path / checked_name(name)
        partial = file.with_name(f".{file.name}.partial")
        try:
            opened = await asyncio.to_thread(self._begin, partial)
        except OSError as error:
            raise _failed(self._path, error) from None
        try:
            with opened:
                yield _FileWriter(opened, self._path)
                await asyncio.to_thread(_finish, opened, partial, file)
        except OSError as error:
            raise _failed(self._path, error) from None
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _begin(self, partial: Path) -> IO[bytes]:
        for folder in reversed([partial.parent, *partial.parent.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700)
                sync_directory(folder.parent)
        partial.unlink(missing_ok=True)  # of a process that was killed; one backup runs at a time
        return os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        try:
            with (self._path / checked_name(name)).open("rb") as file:
                while data := await asyncio.to_thread(file.read, _READ_BYTES):
                    yield data
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"there is no {name} in {self._path}") from None
        except OSError as error:
            raise _failed(self._path, error) from None

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """Return the whole files."""
        try:
            return await asyncio.to_thread(self._list, prefix)
        except OSError as error:
            raise _failed(self._path, error) from None

    def _list(self, prefix: str) -> Sequence[StoredFile]:
        # Only the folder that the prefix names; os.walk passes over what it may not list, which must be an error here.
        folder = self._path / prefix.rpartition("/")[0]
        found = list[StoredFile]()
        for where, _, files in os.walk(folder, onerror=_unlisted):
            for one in files:
                file = Path(where, one)
                name = file.relative_to(self._path).as_posix()
                if name.startswith(prefix) and not one.startswith("."):
                    found.append(StoredFile(name=name, size=file.stat().st_size))
        return sorted(found, key=lambda one: one.name)

    async def delete(self, name: str) -> None:
        """Remove a file, and folders that are empty then."""
        file = self._path / checked_name(name)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(self._path, error) from None
        with suppress(OSError):
            for folder in file.relative_to(self._path).parents:
                if folder != Path():
                    (self._path / folder).rmdir()


class _FileWriter:
    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path

    async def write(self, data: bytes) -> None:
        """Write *data*."""
        try:
            await asyncio.to_thread(self._file.write, data)
        except OSError as error:
            raise _failed(self._path, error) from None


def _finish(opened: IO[bytes], partial: Path, file: Path) -> None:
    opened.flush()
    os.fsync(opened.fileno())
    partial.replace(file)
    sync_directory(file.parent)


def _unlisted(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _failed(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"the directory of backups {path} cannot be used: {error.strerror}")
