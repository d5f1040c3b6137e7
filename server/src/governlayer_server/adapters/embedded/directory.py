"""The data directory of the appliance: its layout, its modes, its lock and its secrets (security.md §2)."""

import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from governlayer_server.adapters.embedded.account import Account
from governlayer_server.adapters.embedded.errors import AlreadyRunningError, UnsafeDirectoryError

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_LOCK_PATIENCE_S = 0.5
# sockaddr_un holds 108 bytes with the closing NUL (unix(7)); the longest socket below is "pg/.s.PGSQL.5432".
_SOCKET_DIRECTORY_BYTES = 107 - len("/pg/.s.PGSQL.5432")


class DataDirectory:
    """
    One data directory; :meth:`open` is the way to get one.

    ``postgres/`` is PGDATA, ``secrets/`` the generated passwords and keys, ``logs/`` the servers' logs,
    ``lock`` the lock of the one process that runs on it. The sockets are in ``sockets/``, or in a short
    private directory when that path would be too long for a socket.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.postgres = path / "postgres"
        self.secrets = path / "secrets"
        self.logs = path / "logs"
        self._lock = path / "lock"
        self._short_sockets = path / "sockets.path"

    @classmethod
    def open(cls, path: Path) -> Self:
        """
        Return the data directory at *path*; create it, or complete it, where needed.

        Args:
            path: an empty or missing directory, or one that this method made before. Parents are created.

        Raises:
            UnsafeDirectoryError: somebody else owns it or can write to it, it is a symbolic link, or it holds
                other things. Nothing was created in it.
        """
        if not str(path).isprintable():
            raise UnsafeDirectoryError("the path of the data directory holds a control character: choose another")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            absolute = path.parent.resolve(strict=True) / path.name
            _refuse_open_parents(absolute)
            directory = cls(absolute)
            directory._create()
        except OSError as error:
            raise UnsafeDirectoryError(
                f"cannot use {path} as data directory ({error.strerror}): choose another with --data"
            ) from error
        return directory

    def _create(self) -> None:
        private_directory(self.path)
        if self._lock.exists():
            # Bits are taken away only: a running appliance may have let its servers' own user pass (0711).
            self.path.chmod(stat.S_IMODE(self.path.stat().st_mode) & 0o711)
        elif any(entry.name != "lost+found" for entry in self.path.iterdir()):
            raise UnsafeDirectoryError(
                f"{self.path} is not empty and no data directory of GovernLayer: choose another with --data"
            )
        else:
            self.path.chmod(0o700)
        os.close(os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        for private in (self.secrets, self.logs):
            private_directory(private)
            private.chmod(0o700)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """
        Hold the directory for this process; the kernel lets go when the process ends, however it ends.

        Raises:
            AlreadyRunningError: another process holds it; the text names its process id.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            self._acquire(descriptor)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        # A predecessor that was just killed may take a moment to vanish.
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while True:
            with suppress(BlockingIOError):
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.monotonic() >= deadline:
                break
            time.sleep(0.05)
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder.isdecimal() else "another process"
        raise AlreadyRunningError(
            f"{who} already runs on {self.path}: stop it first, or choose another directory with --data"
        )

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """
        Return the secret *name* of ``secrets/``; when there is none, keep and return what *make* returns.

        Two processes that ask at the same time get the same secret; a crash leaves a whole secret or none.

        Args:
            name: 1 to 64 characters of ``[a-z0-9._-]``, the first one a letter.
            make: returns a new secret of one line, not empty.

        Raises:
            UnsafeDirectoryError: the file is not a regular file of this user, is open to others, or is empty.
        """
        path = self._secret_path(name)
        if not os.path.lexists(path):
            write_once(path, make())
        return read_private(path)

    def existing_secret(self, name: str) -> str | None:
        """
        Return the secret *name* of ``secrets/``, or None when there is no such file. Nothing is made.

        Raises:
            UnsafeDirectoryError: as for ``secret``.
        """
        path = self._secret_path(name)
        return read_private(path) if os.path.lexists(path) else None

    def _secret_path(self, name: str) -> Path:
        if not re.fullmatch(r"[a-z][a-z0-9._-]{0,63}", name):
            raise ValueError("a secret's name is 1 to 64 characters of [a-z0-9._-]")
        return self.secrets / name

    def give(self, path: Path, account: Account) -> None:
        """Make *path*, a directory in this one or in the one of the sockets, for *account* alone (0700)."""
        with suppress(FileExistsError):
            path.mkdir(0o700)
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise UnsafeDirectoryError(f"{path} is not a directory: remove it")
        if account.is_other:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        path.chmod(0o700)

    def admit(self, account: Account) -> None:
        """Let *account* pass through the directory to what it was given; it still cannot list or write it."""
        mode = 0o711 if account.is_other else 0o700
        self.path.chmod(mode)
        self.sockets.chmod(mode)

    @property
    def sockets(self) -> Path:
        """The directory that holds one private directory per server's socket; created when there is none."""
        inside = self.path / "sockets"
        if len(os.fsencode(inside)) <= _SOCKET_DIRECTORY_BYTES:
            return private_directory(inside)
        return self._short() or self._new_short()

    def _short(self) -> Path | None:
        if not os.path.lexists(self._short_sockets):
            return None
        path = Path(read_private(self._short_sockets))
        with suppress(OSError, UnsafeDirectoryError):
            # The directory for temporary files may have been emptied, and the name taken by somebody else.
            return private_directory(path, create=False)
        self._short_sockets.unlink()
        return None

    def _new_short(self) -> Path:
        # The run-time directory of root is closed to the user that the servers of root run as.
        run_time = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() else None
        for base in (run_time, "/tmp"):  # nosec B108 # noqa: S108 - mkdtemp makes a private one there
            if base and os.access(base, os.W_OK) and len(os.fsencode(base)) < _SOCKET_DIRECTORY_BYTES - 24:
                write_once(self._short_sockets, mkdtemp(prefix="governlayer-", dir=base))
                return private_directory(Path(read_private(self._short_sockets)), create=False)
        raise UnsafeDirectoryError(
            f"the path {self.path} is too long for a socket, and there is no short private place for one: "
            "choose a shorter path with --data, or set XDG_RUNTIME_DIR"
        )


def private_directory(path: Path, *, create: bool = True) -> Path:
    """
    Return *path* if it is a directory of this user that nobody else can write to; make it (0700) if missing.

    Raises:
        UnsafeDirectoryError: it is not.
        OSError: it cannot be made or read.
    """
    if create:
        with suppress(FileExistsError):
            path.mkdir(0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise UnsafeDirectoryError(f"{path} is not a directory, or a symbolic link: give the path of a directory")
    if status.st_uid != os.geteuid():
        raise UnsafeDirectoryError(
            f"{path} belongs to user {status.st_uid}, not to user {os.geteuid()}: run as its owner, or choose another"
        )
    if status.st_mode & _OTHERS_WRITE:
        raise UnsafeDirectoryError(f"other users can write to {path}: run chmod 700 on it, or choose another")
    return path


def sync_directory(path: Path) -> None:
    """Make the names in *path* durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_open_parents(path: Path) -> None:
    for parent in path.parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise UnsafeDirectoryError(f"everybody can replace what is in {parent}: choose another place with --data")


def write_once(path: Path, text: str, mode: int = 0o600) -> None:
    """Create *path* with *text*, whole or not at all; keep what is there if somebody was faster."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(temporary, path)
    temporary.unlink()
    sync_directory(path.parent)


def read_private(path: Path) -> str:
    """
    Return the text of *path*, without the newlines at its end.

    Raises:
        UnsafeDirectoryError: it is not a regular file of this user, is open to others, or is empty.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise UnsafeDirectoryError(f"cannot read {path} ({error.strerror}): restore it from a backup") from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise UnsafeDirectoryError(f"{path} must be a file of this user with mode 600: run chown and chmod on it")
        text = file.read().rstrip("\n")
    if not text:
        raise UnsafeDirectoryError(f"{path} is empty: restore it from a backup")
    return text
