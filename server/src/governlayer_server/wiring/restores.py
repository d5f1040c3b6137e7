"""The end of a restore, in the opened appliance: restores recorded, erasures done again, everything checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.system.checkpoint_directory import kept_notes
from governlayer_server.domain.backup import TOMBSTONES, Manifest, is_tombstone
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.ports.backups import BackupStore
from governlayer_server.settings import Settings
from governlayer_server.usecases.fsck_ledger import Fsck, Progress
from governlayer_server.usecases.open_backup import Place, find_backups, open_backup, read_all
from governlayer_server.usecases.reapply_erasures import Reapplied
from governlayer_server.usecases.record_restores import Notes, RecordRestores, RestoredLedger
from governlayer_server.wiring.appliance import Appliance, open_appliance

_MAX_NOTE_BYTES = 65_536


class Restored(Struct, frozen=True, kw_only=True):
    """What came of a restore: each ledger, erasures that were done again, and the ledgers that are closed now."""

    manifest: Manifest
    ledgers: Sequence[RestoredLedger]
    erased: Reapplied
    closed: Sequence[str]


async def complete_restore(settings: Settings, manifest: Manifest, notes: Notes, progress: Progress) -> Restored:
    """
    Record the restore in every ledger, erase again what was erased since, and check everything.

    Safe to repeat. Ledgers that are not sound are closed to writing; the others are not concerned.

    Args:
        settings: of the restored appliance; its list of tombstones is complete.
        manifest: of the backup.
        notes: checkpoints from elsewhere, of what may be lost.
        progress: told how much of each ledger has been checked.

    Raises:
        ConfigurationError: the secrets do not open what is there.
        Unavailable: something could not be read or written.
    """
    async with open_appliance(settings, found=False, unfinished=True) as appliance:
        checks, parts = appliance.checks, appliance.parts
        record = RecordRestores(
            check=checks.check,
            refusals=parts.refusals,
            is_signed=checks.fsck.is_signed,
            clock=parts.clock,
            entropy=parts.entropy,
        )
        # First of all, so that whatever is added from here on is of the new history.
        ledgers = [await record(one.id, one.origin, one.size, notes) for one in manifest.ledgers]
        erased = await appliance.erasures.reapply(appliance.erasures.tombstones.read())
        await appliance.erasures.finish()
        for one in await _checked(appliance, progress):
            if not one.is_sound and one.ledger_id not in parts.refusals.closed:
                await record.close(one.ledger_id, one.findings)
        return Restored(manifest=manifest, ledgers=ledgers, erased=erased, closed=sorted(parts.refusals.closed))


async def _checked(appliance: Appliance, progress: Progress) -> Sequence[Fsck]:
    ids = [(one, None if one == SYSTEM_LEDGER else UUID(one)) for one in await appliance.ledger_ids()]
    return [await appliance.checks.fsck(one, organization_id, progress) for one, organization_id in ids]


async def fetch_tombstones(store: BackupStore, directory: Path) -> None:
    """Write the destination's list of what was erased to *directory*, beside what is there."""
    kept = DirectoryStore(directory)
    there = {one.name for one in await kept.list("")}
    for one in await store.list(TOMBSTONES):
        name = one.name.removeprefix(TOMBSTONES)
        if is_tombstone(name) and name not in there:
            async with kept.writer(name) as to:
                await to.write(await read_all(store.read(one.name)))


async def newer_checkpoints(place: Place, manifest: Manifest) -> Mapping[str, str]:
    """Return the checkpoints in the newest backup of this installation, by origin, if it is newer than *manifest*."""
    newer = [one.id for one in await find_backups(place.store) if one.is_whole and one.id > manifest.id]
    if not newer:
        return {}
    newest = (await open_backup(place, newer[-1])).manifest
    if newest.install_id != manifest.install_id:
        return {}
    return {one.origin: one.checkpoint for one in newest.ledgers if one.checkpoint is not None}


def notes_from(paths: Sequence[Path], newer: Mapping[str, str]) -> Notes:
    """
    Return what yields the checkpoints that are known of an origin.

    Args:
        paths: files with one note each, or directories: of such files (``*.note``), or of all ledgers as
            ``GOVERNLAYER_CHECKPOINT_DIR``.
        newer: those of newer backups.

    Raises:
        ConfigurationError: a path cannot be read.
    """
    given = [note for path in paths for note in _notes(path)]

    def notes(origin: str) -> Iterable[str]:
        yield from given
        yield from (newer[origin],) if origin in newer else ()
        for path in paths:
            if path.is_dir():
                yield from (note for _, _, note in kept_notes(path, origin))

    return notes


def _notes(path: Path) -> Iterator[str]:
    try:
        for file in sorted(path.glob("*.note")) if path.is_dir() else (path,):
            with file.open("rb") as opened:
                yield opened.read(_MAX_NOTE_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigurationError(f"the checkpoint {path} cannot be read: {error.strerror}") from None
