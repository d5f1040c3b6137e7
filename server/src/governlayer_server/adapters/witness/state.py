"""What a witness remembers, in one SQLite file: ``ports.anchors.WitnessState``."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from governlayer_server.ports.anchors import Witnessed

_BUSY_S = 5.0
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS witnessed (
        origin_hash TEXT PRIMARY KEY,
        origin      TEXT NOT NULL,
        size        INTEGER NOT NULL CHECK (size >= 0),
        root        BLOB NOT NULL,
        note        TEXT NOT NULL
    ) STRICT
"""
_ANY = "SELECT 1 FROM witnessed LIMIT 1"
_NEWEST = "SELECT size, root, note FROM witnessed WHERE origin_hash = ?"
_REPLACE = """
    INSERT INTO witnessed (origin_hash, origin, size, root, note) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (origin_hash) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note
"""


class SqliteWitnessState:
    """
    One row for each origin. A change is on the disk when ``replace`` returns (``synchronous`` is ``EXTRA``).

    Args:
        file: made if it is missing.
        new: whether there may be no memory in it yet; one is begun then.

    Raises:
        sqlite3.Error: it cannot be opened, is no such file, or holds no memory although it is not new.
    """

    def __init__(self, file: Path, *, new: bool = True) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        # A rollback journal whose removal is durable too: no power cut takes back what was answered.
        self._connection.execute("PRAGMA journal_mode = DELETE")
        self._connection.execute("PRAGMA synchronous = EXTRA")
        self._connection.execute(_SCHEMA if new else _ANY).close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def newest(self, origin: str) -> Witnessed | None:
        """Return the last checkpoint of *origin*, if there is one."""
        return self.by_hash(_hash(origin))

    def by_hash(self, origin_hash: str) -> Witnessed | None:
        """Return the last checkpoint of the origin whose SHA-256 is *origin_hash*, if there is one."""
        with self._lock:
            return self._read(origin_hash)

    def replace(self, origin: str, before: Witnessed | None, after: Witnessed) -> bool:
        """
        Make *after* the last checkpoint if *before* still is; return whether it is, durably.

        Raises:
            sqlite3.Error: it could not be made durable; *before* still is the last one.
        """
        with self._lock, self._writing():
            if self._read(_hash(origin)) != before:
                return False
            self._connection.execute(_REPLACE, (_hash(origin), origin, after.size, after.root, after.note))
        return True

    def _read(self, origin_hash: str) -> Witnessed | None:
        row = self._connection.execute(_NEWEST, (origin_hash,)).fetchone()
        return None if row is None else Witnessed(size=row[0], root=row[1], note=row[2])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the file against other processes, and commit; an error takes all back."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors of COMMIT, not after "database is locked".
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _hash(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()
