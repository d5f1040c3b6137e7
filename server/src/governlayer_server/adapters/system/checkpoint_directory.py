"""
Published checkpoints as files, written once: ``<hex SHA-256 of the origin>/<size>.note``.

Those after an accepted restore are in a folder beside these, named by the SHA-256 of its record.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from governlayer_server.domain.errors import Unavailable

_NAME = re.compile(r"(?:([0-9a-f]{64})/)?(0|[1-9][0-9]{0,18})\.note")
_MAX_BYTES = 65_536


def kept_notes(directory: Path, origin: str) -> Iterator[tuple[str, int, str]]:
    """
    Yield incarnation, size and note of the checkpoints of *origin*, largest first; nothing has been verified.

    Args:
        directory: of all ledgers; without a folder for *origin* there are none.
        origin: of the ledger.

    Raises:
        Unavailable: the directory is missing, or a file in it cannot be read: what it would say is not known.
    """
    folder = directory / sha256(origin.encode()).hexdigest()
    try:
        if not directory.is_dir():
            raise Unavailable(f"there is no directory of checkpoints at {directory}: make it, or put it back")
        names = [match for one in _files(folder) if (match := _NAME.fullmatch(one.relative_to(folder).as_posix()))]
        for match in sorted(names, key=lambda one: int(one[2]), reverse=True):
            with (folder / match[0]).open("rb") as file:
                yield match[1] or "", int(match[2]), file.read(_MAX_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise Unavailable(f"the checkpoints in {folder} cannot be read: {error.strerror}") from None


def _files(folder: Path) -> Iterator[Path]:
    """Yield what is in *folder* and in the folders there; what cannot be listed is an error, where a glob is silent."""
    for one in folder.iterdir() if folder.exists() else ():
        yield from one.iterdir() if one.is_dir() else (one,)
