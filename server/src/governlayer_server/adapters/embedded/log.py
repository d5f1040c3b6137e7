"""A server's log: one file, appended to through an inherited descriptor, bounded in size."""

import os
import shutil
from pathlib import Path

_TAIL_BYTES = 8_192


class LogFile:
    """
    The log of one server at *path* (mode 0600), with one older part beside it as ``<name>.1``.

    The server writes to a descriptor in append mode, so the file can be cut while the server runs.

    Args:
        limit_bytes: size from which :meth:`bound` moves the contents to ``<name>.1``; both parts together
            stay near twice this.
    """

    def __init__(self, path: Path, limit_bytes: int = 8 * 1024 * 1024) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        self._start = 0

    def open(self) -> int:
        """Return a new descriptor to append to; :meth:`tail` shows what is written from now on."""
        self.bound()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        self._start = os.fstat(descriptor).st_size
        return descriptor

    def tail(self, lines: int = 8) -> str:
        """Return the last *lines* lines since :meth:`open`; empty when there are none."""
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(min(self._start, size), size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def bound(self) -> None:
        """Keep the file under its limit: move the contents to ``<name>.1`` when it is over."""
        if not self.path.exists() or self.path.stat().st_size < self._limit_bytes:
            return
        older = self.path.with_name(self.path.name + ".1")
        older.unlink(missing_ok=True)
        descriptor = os.open(older, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with self.path.open("rb") as source, os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target)
        os.truncate(self.path, 0)
        self._start = 0
