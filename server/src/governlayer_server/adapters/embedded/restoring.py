"""A data directory that a restore has begun to fill: nothing is served from it until the restore has ended."""

from pathlib import Path

from governlayer_server.adapters.embedded.directory import DataDirectory, read_private, sync_directory, write_once
from governlayer_server.domain.errors import BackupError, ConfigurationError

_MARK = "restore.unfinished"


def require_free(path: Path) -> None:
    """
    Return if a restore may begin, or go on, at *path*.

    Raises:
        BackupError: it is not empty, and no restore has begun there.
    """
    if path.exists() and not (path / _MARK).exists() and any(one.name != "lost+found" for one in path.iterdir()):
        raise BackupError(f"{path} is not empty: a restore needs an empty place. Nothing was changed")


def begin_restore(path: Path, backup_id: str) -> DataDirectory:
    """
    Return the data directory at *path*, marked; one that is marked for the same backup already is gone on with.

    Raises:
        BackupError: it is not empty, or the restore of another backup has begun there. Nothing was changed.
        UnsafeDirectoryError: as for ``DataDirectory.open``.
    """
    mark = path / _MARK
    if mark.exists():
        begun = read_private(mark)
        if begun != backup_id:
            raise BackupError(
                f"a restore of {begun} has begun in {path}: end it with --backup {begun}, or remove {path}"
            )
        return DataDirectory.open(path)
    require_free(path)
    directory = DataDirectory.open(path)
    write_once(mark, backup_id)
    return directory


def end_restore(directory: DataDirectory) -> None:
    """Take the mark away, durably."""
    (directory.path / _MARK).unlink()
    sync_directory(directory.path)


def unfinished_restore(path: Path) -> str | None:
    """Return the id of the backup whose restore has begun at *path* and not ended; None: there is none."""
    mark = path / _MARK
    return read_private(mark) if mark.exists() else None


def refuse_unfinished(directory: DataDirectory) -> None:
    """
    Return unless a restore has begun there and not ended.

    Raises:
        ConfigurationError: it has. Nothing may be served from it.
    """
    if (directory.path / _MARK).exists():
        raise ConfigurationError(
            f"a restore into {directory.path} did not come to its end: run `governlayer restore` again, "
            "or remove the directory and begin anew"
        )
