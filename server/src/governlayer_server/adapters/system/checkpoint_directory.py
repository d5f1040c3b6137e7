"""Published checkpoints as files, written once: ``<hex SHA-256 of the origin>/<size>.note``."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from governlayer_server.domain.errors import Unavailable

_NAME = re.compile(r"(0|[1-9][0-9]{0,18})\.note")
_MAX_BYTES = 65_536


def kept_notes(directory: Path, origin: str) -> Iterator[tuple[int, str]]:
    """
    Yield size and note of the checkpoints of *origin*, largest first; what is read has not been verified.

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
        names = [match for file in folder.glob("*.note") if (match := _NAME.fullmatch(file.name))]
        for match in sorted(names, key=lambda one: int(one[1]), reverse=True):
            with (folder / match[0]).open("rb") as file:
                yield int(match[1]), file.read(_MAX_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise Unavailable(f"the checkpoints in {folder} cannot be read: {error.strerror}") from None
