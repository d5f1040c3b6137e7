"""Put a backup into an empty place: checked, decrypted, copied, brought up to date. Interrupted, it is gone on with."""

from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from governlayer_server.domain.backup import Manifest, Part
from governlayer_server.domain.errors import BackupError
from governlayer_server.ports.backups import RestoreTarget, Step
from governlayer_server.usecases.open_backup import OpenedBackup
from governlayer_server.usecases.subject_key_file import SubjectKeyFile
from governlayer_server.usecases.verify_backup import written

Progress = Callable[[int, int], None]
"""Is told how many bytes of how many have been read."""


class Restore(Struct, frozen=True, kw_only=True):
    """Restores into one database."""

    target: RestoreTarget

    async def __call__(
        self, opened: OpenedBackup, keys: SubjectKeyFile, progress: Progress = lambda *_: None
    ) -> Manifest:
        """
        Return the manifest of what is in the database now; it is not finished: nothing may be served from it yet.

        Args:
            opened: the backup.
            keys: the newest file of data subjects' keys: what was erased since is not among them.
            progress: told now and then.

        Raises:
            BackupError: the place is not empty or has begun with another backup, or this one is damaged. No rows were
                copied.
            LedgerUnavailable: the database went away. Begin again: what is done is not done twice.
        """
        manifest, target = opened.manifest, self.target
        begun = await target.begun()
        if begun is None:
            await target.begin(manifest.id)
        elif begun.backup_id != manifest.id:
            other = begun.backup_id
            raise BackupError(f"a restore of {other} has begun here: end it with --backup {other}, or empty the place")
        step = Step.BEGUN if begun is None else begun.step
        if step is Step.BEGUN:
            await target.make_schema(manifest.migrations)
            await target.load(manifest, _counted(opened, progress))
        if step in {Step.BEGUN, Step.LOADED}:
            await target.upgrade()
            await target.load_subject_keys(keys.columns, keys.rows)
        return manifest


def _counted(opened: OpenedBackup, progress: Progress) -> Callable[[Part], AsyncIterator[bytes]]:
    """Return what reads a part, and tells how much has been read."""
    done, total = 0, opened.manifest.size

    async def read(part: Part) -> AsyncIterator[bytes]:
        nonlocal done
        async for piece in opened.files.read(part.name, written(part)):
            yield piece
        done += part.size
        progress(done, total)

    return read
