"""A directory of published notes, each written once: ``ports.anchors.KeptNotes``."""

import asyncio
import os
import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from governlayer_server.adapters.embedded.directory import sync_directory
from governlayer_server.domain.errors import Inconsistent, Unavailable
from governlayer_server.domain.ledger.note import parse_checkpoint

_NAME = re.compile(r"([0-9]{1,19})\.note")


class NotesDirectory:
    """
    Keeps a note as ``<SHA-256 of its origin in hex>/<size>.note``, mode 0444; nothing there is ever overwritten.

    Those of an incarnation that an accepted restore began are in a folder of its name beside the files before.

    Args:
        path: the directory, best on a disk or share that this machine cannot take anything back from. It must be
            there: where it is a share, a missing one is not mounted.
    """

    remembers = True

    def __init__(self, path: Path) -> None:
        self._path = path

    async def newest(self, origin: str, incarnation: str = "") -> str | None:
        """
        Return the note of the largest size.

        Raises:
            Unavailable: the directory cannot be read.
        """
        return await asyncio.to_thread(_newest, self._of(origin, incarnation))

    async def keep(self, origin: str, size: int, note: str, incarnation: str = "") -> None:
        """
        Write *note*, durably, unless it is there.

        Raises:
            Unavailable: it cannot be written.
            Inconsistent: another checkpoint of this size is there.
        """
        await asyncio.to_thread(self._keep, self._of(origin, incarnation) / f"{size}.note", note)

    def _of(self, origin: str, incarnation: str) -> Path:
        return self._path / sha256(origin.encode()).hexdigest() / incarnation

    def _keep(self, file: Path, note: str) -> None:
        try:
            self._make(file.parent)
            _write_once(file, note.encode())
            there = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise Unavailable("the checkpoint cannot be written to its directory") from None
        if there != note and parse_checkpoint(there).text != parse_checkpoint(note).text:
            raise Inconsistent("another checkpoint of this size is in the directory")

    def _make(self, folder: Path) -> None:
        """Make *folder*, durably; never the directory itself."""
        if folder != self._path and not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            sync_directory(folder.parent)


def _newest(directory: Path) -> str | None:
    try:
        sizes = [int(found[1]) for one in directory.iterdir() if (found := _NAME.fullmatch(one.name))]
        return (directory / f"{max(sizes)}.note").read_text("utf-8") if sizes else None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        raise Unavailable("the directory of checkpoints cannot be read") from None


def _write_once(file: Path, content: bytes) -> None:
    """Write *file* whole or not at all; what has its name stays."""
    temporary = file.with_name(f".{file.name}.{token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o444)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        with suppress(FileExistsError):
            os.link(temporary, file, follow_symlinks=False)
    finally:
        temporary.unlink()
    sync_directory(file.parent)
