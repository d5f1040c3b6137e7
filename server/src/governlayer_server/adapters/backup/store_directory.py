"""
Backups in a directory: ``ports.backups.BackupStore``. Folders 0700, files 0600, durable before they are named.

What others put there (links, pipes, names that no backup has) is neither followed nor listed nor removed.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from governlayer_server.adapters.backup.folders import opened_file, opened_folder, regular_files
from governlayer_server.adapters.backup.names import checked_name, is_name
from governlayer_server.domain.errors import NotFound, Unavailable
from governlayer_server.ports.backups import StoredFile

_READ_BYTES = 262_144
_PARTIAL = ".partial"


class DirectoryStore:
    """
    Keeps each file as one of a directory.

    Args:
        path: the directory; it is made, with its parents, by the first file that is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        """Return the directory."""
        return str(self._path)

    @asynccontextmanager
    async def writer(self, name: str) -> AsyncIterator["_FileWriter"]:
        """Write a file under a hidden name, and give it its own once it is durable."""
        *words, last = checked_name(name).split("/")
        try:
            with opened_folder(self._path, words, make=True) as folder:
                try:
                    with await asyncio.to_thread(_begin, folder, _partial(last)) as file:
                        yield _FileWriter(file, self._path)
                        await asyncio.to_thread(_finish, file, folder, last)
                finally:
                    with suppress(OSError):
                        os.unlink(_partial(last), dir_fd=folder)
        except OSError as error:
            raise _failed(self._path, error) from None

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """Yield the bytes of a file."""
        *words, last = checked_name(name).split("/")
        try:
            with opened_folder(self._path, words) as folder:
                descriptor = opened_file(folder, last)
            if descriptor is None:
                raise Unavailable(f"{self._path / name} is no regular file")
            with os.fdopen(descriptor, "rb") as file:
                while data := await asyncio.to_thread(file.read, _READ_BYTES):
                    yield data
        except FileNotFoundError:
            raise NotFound(f"there is no {name} in {self._path}") from None
        except OSError as error:
            raise _failed(self._path, error) from None

    async def list(self, prefix: str) -> Sequence[StoredFile]:
        """Return the whole files."""
        return await asyncio.to_thread(self._list, prefix)

    def _list(self, prefix: str) -> Sequence[StoredFile]:
        within, _, _ = prefix.rpartition("/")  # only the folder that the prefix names
        try:
            with opened_folder(self._path, within.split("/") if within else ()) as folder:
                files = list(regular_files(folder, f"{within}/" if within else ""))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failed(self._path, error) from None
        return sorted((one for one in files if one.name.startswith(prefix) and is_name(one.name)), key=_name)

    async def delete(self, name: str) -> None:
        """Remove a file, and folders that are empty then."""
        words = checked_name(name).split("/")
        try:
            with opened_folder(self._path, words[:-1]) as folder:
                os.unlink(words[-1], dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failed(self._path, error) from None
        with suppress(OSError):
            for depth in range(len(words) - 1, 0, -1):
                with opened_folder(self._path, words[: depth - 1]) as folder:
                    os.rmdir(words[depth - 1], dir_fd=folder)

    async def sweep(self, prefix: str) -> None:
        """Remove what writers that were killed left in the folder *prefix*."""
        try:
            with opened_folder(self._path, prefix.rstrip("/").split("/")) as folder:
                for one in filter(_is_partial, os.listdir(folder)):  # noqa: PTH208  # of a descriptor
                    os.unlink(one, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failed(self._path, error) from None


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


def _begin(folder: int, partial: str) -> IO[bytes]:
    with suppress(FileNotFoundError):
        os.unlink(partial, dir_fd=folder)  # of a process that was killed; one backup runs at a time
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(partial, flags, 0o600, dir_fd=folder), "wb")


def _finish(file: IO[bytes], folder: int, name: str) -> None:
    file.flush()
    os.fsync(file.fileno())
    os.rename(_partial(name), name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _partial(name: str) -> str:
    return f".{name}{_PARTIAL}"


def _is_partial(name: str) -> bool:
    return name.startswith(".") and name.endswith(_PARTIAL) and is_name(name.removesuffix(_PARTIAL)[1:])


def _name(file: StoredFile) -> str:
    return file.name


def _failed(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"the directory of backups {path} cannot be used: {error.strerror}")
