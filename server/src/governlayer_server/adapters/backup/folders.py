"""
Folders below one directory, opened word by word: whoever may write there leads nobody elsewhere by a link.

The directory itself is the operator's word, and may be a link.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from governlayer_server.adapters.backup.names import MAX_WORDS
from governlayer_server.adapters.embedded.directory import sync_directory
from governlayer_server.domain.errors import Unavailable
from governlayer_server.ports.backups import StoredFile

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Not blocking: a named pipe is refused instead of waited for.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened_folder(root: Path, words: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """
    Yield a descriptor of the folder *words* below *root*; *make* it (0700), durably, where it is missing.

    Raises:
        Unavailable: one of them is a link, or something else that is no folder.
        OSError: it is missing, or cannot be opened or made.
    """
    if make:
        _make_root(root)
    descriptor = os.open(root, _FOLDER)
    try:
        for word in words:
            descriptor = _deeper(root, descriptor, word, make=make)
        yield descriptor
    finally:
        os.close(descriptor)


def _make_root(root: Path) -> None:
    for folder in reversed([root, *root.parents]):
        if not folder.exists():
            folder.mkdir(mode=0o700)
            sync_directory(folder.parent)


def _deeper(root: Path, parent: int, word: str, *, make: bool) -> int:
    """Return a descriptor of a folder in the folder *parent*, which is closed if there is one."""
    try:
        if make and not _is_there(parent, word):
            os.mkdir(word, 0o700, dir_fd=parent)
            os.fsync(parent)
        descriptor = os.open(word, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
    except NotADirectoryError:
        raise Unavailable(f"the directory of backups {root} cannot be used: {word} is a link, or no folder") from None
    os.close(parent)
    return descriptor


def _is_there(folder: int, word: str) -> bool:
    try:
        os.stat(word, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def opened_file(folder: int, name: str) -> int | None:
    """Return a descriptor of a regular file in *folder*, to read it; None: it is no such file, but a link or a pipe."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return None
    descriptor = os.open(name, _FILE, dir_fd=folder)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def regular_files(folder: int, within: str, depth: int = MAX_WORDS) -> Iterator[StoredFile]:
    """Yield the regular files in *folder* and the folders in it; *within* goes in front of their names."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{within}{entry.name}"
            if entry.is_dir(follow_symlinks=False) and depth > 1:
                deeper = os.open(entry.name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    yield from regular_files(deeper, f"{name}/", depth - 1)
                finally:
                    os.close(deeper)
            elif entry.is_file(follow_symlinks=False):
                yield StoredFile(name=name, size=entry.stat(follow_symlinks=False).st_size)
