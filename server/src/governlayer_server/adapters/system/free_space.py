"""How much room there is in directories that the appliance writes to."""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

_UNKNOWN = float("nan")


class FreeSpace:
    """
    Looked at in the background, because a network share may take its time, and read at any time.

    Args:
        directories: by what they are for.
    """

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self.directories = directories
        self._seen: dict[str, tuple[float, float]] = {}

    async def look(self) -> None:
        """Look at all of them; one that is not there has no figures."""
        for name, directory in self.directories.items():
            self._seen[name] = await asyncio.to_thread(_free_and_all, directory)

    def free_bytes(self, name: str) -> float:
        """Return how many bytes are free for a process without privileges; NaN where that is not known."""
        return self._seen.get(name, (_UNKNOWN, _UNKNOWN))[0]

    def all_bytes(self, name: str) -> float:
        """Return the size of its file system; NaN where that is not known."""
        return self._seen.get(name, (_UNKNOWN, _UNKNOWN))[1]


def _free_and_all(directory: Path) -> tuple[float, float]:
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return _UNKNOWN, _UNKNOWN
    return float(usage.free), float(usage.total)
