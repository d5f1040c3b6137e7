"""The end of a restore, in the opened appliance: restores recorded, erasures done again, everything checked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.adapters.system.checkpoint_directory import kept_notes
from governlayer_server.adapters.system.tombstone_directory import TombstoneDirectory
from governlayer_server.domain.backup import Manifest
from governlayer_server.domain.errors import BackupError, CipherError, ConfigurationError, NoteError
from governlayer_server.domain.ledger.note import parse_checkpoint, parse_verifier_key
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.settings import Settings
from governlayer_server.usecases.fsck_ledger import Fsck, Progress
from governlayer_server.usecases.open_backup import Place, find_backups, open_backup
from governlayer_server.usecases.reapply_erasures import Reapplied
from governlayer_server.usecases.record_restores import Notes, RecordRestores, RestoredLedger
from governlayer_server.usecases.tombstone_files import TombstoneFiles
from governlayer_server.usecases.verify_note import log_signatures
from governlayer_server.wiring.appliance import Appliance, open_appliance

_MAX_NOTE_BYTES = 65_536
_MAX_CLOSED = 16
"""So many backups that do not open are tried: each costs a second and 256 MiB."""


class Restored(Struct, frozen=True, kw_only=True):
    """What came of a restore: each ledger, erasures that were done again, and the ledgers that are closed now."""

    manifest: Manifest
    ledgers: Sequence[RestoredLedger]
    erased: Reapplied
    closed: Sequence[str]


class Newer(Struct, frozen=True, kw_only=True):
    """
    What newer backups in the destination tell.

    Attributes:
        newest: the manifest of the newest one that opens; None: there is no newer one.
        closed: ids of those that are newer still, and did not open: nobody knows what they would tell.
    """

    newest: Manifest | None
    closed: Sequence[str]

    @property
    def checkpoints(self) -> Mapping[str, str]:
        """Its checkpoints by origin."""
        ledgers = () if self.newest is None else self.newest.ledgers
        return {one.origin: one.checkpoint for one in ledgers if one.checkpoint is not None}

    @property
    def tombstones(self) -> Mapping[str, str]:
        """What it names of the list of what was erased."""
        return {} if self.newest is None else self.newest.tombstones


async def complete_restore(
    settings: Settings,
    manifest: Manifest,
    notes: Notes,
    progress: Progress,
    lists: Sequence[TombstoneFiles] = (),
    known: Mapping[str, str] | None = None,
) -> Restored:
    """
    Record the restore in every ledger, erase again what was erased since, and check everything.

    Safe to repeat. Ledgers that are not sound are closed to writing; the others are not concerned.

    Args:
        settings: of the restored appliance; they name a directory for the list of tombstones.
        manifest: of the backup.
        notes: checkpoints from elsewhere, of what may be lost.
        progress: told how much of each ledger has been checked.
        lists: of tombstones, which its own is completed from.
        known: hashes of their files, from manifests.

    Raises:
        ConfigurationError: the secrets do not open what is there.
        BackupError: a file on one of the lists is not genuine. Nothing was recorded nor erased.
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
        for files in lists:
            await fetch_tombstones(files, appliance.erasures.tombstones, known or {})
        # Before anything else is written, so that whatever is added from here on is of the new history.
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


async def fetch_tombstones(files: TombstoneFiles, own: TombstoneDirectory, known: Mapping[str, str]) -> None:
    """
    Complete our *own* list from another copy of it.

    Raises:
        BackupError: a file of the copy was not written by this installation, or was changed. It is not kept.
    """
    for name in await files.names():
        try:
            await own.take(name, await files.read(name, known))
        except CipherError:
            raise BackupError(
                f"the tombstone {name} in {files.name} is damaged, or of another installation: put the right one "
                "there, or take it away, and what it says is not erased again"
            ) from None


async def newer_backups(place: Place, backup_id: str) -> Newer:
    """
    Return what the backups tell that are newer than *backup_id*: they may be under a later passphrase.

    Raises:
        Unavailable: the store does not answer, or memory for a passphrase's key is missing.
    """
    closed = list[str]()
    for one in reversed(await find_backups(place.store)):
        if one.id <= backup_id or len(closed) == _MAX_CLOSED:
            break
        if one.is_whole:
            for each in (place, place.by(place.subject_keys)):
                with suppress(BackupError):
                    return Newer(newest=(await open_backup(each, one.id)).manifest, closed=closed)
            closed.append(one.id)
    return Newer(newest=None, closed=closed)


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


def genuine_notes(paths: Sequence[Path], manifest: Manifest) -> Mapping[Path, int]:
    """
    Return how many checkpoints of the backup's ledgers each directory among *paths* has; every file must be one.

    Args:
        paths: as for ``notes_from``.
        manifest: of the backup; its keys are those that count.

    Raises:
        ConfigurationError: a file is no such checkpoint, or a path cannot be read.
        Unavailable: as for ``kept_notes``.
    """
    counts = dict[Path, int]()
    for path in paths:
        if path.is_dir():
            kept = [note for ledger in manifest.ledgers for _, _, note in kept_notes(path, ledger.origin)]
            counts[path] = sum(_why_not(note, manifest) is None for note in [*_notes(path), *kept])
        elif why_not := _why_not(next(_notes(path)), manifest):
            raise ConfigurationError(f"--checkpoint {path}: {why_not}. Nothing was restored")
    return counts


def _why_not(note: str, manifest: Manifest) -> str | None:
    """Return what keeps *note* from being a checkpoint of a ledger in the backup; None: it is one."""
    try:
        checkpoint = parse_checkpoint(note)
        log_signatures(checkpoint, [parse_verifier_key(key) for key in manifest.vkeys], verify_ed25519)
    except NoteError as error:
        return str(error)
    is_here = checkpoint.origin in {one.origin for one in manifest.ledgers}
    return None if is_here else f"the backup has no ledger {checkpoint.origin}"


def _notes(path: Path) -> Iterator[str]:
    try:
        for file in sorted(path.glob("*.note")) if path.is_dir() else (path,):
            with file.open("rb") as opened:
                yield opened.read(_MAX_NOTE_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise ConfigurationError(f"the checkpoint {path} cannot be read: {error.strerror}") from None
