"""Verify a backup without a database: every byte is read and decrypted, and every ledger followed from its genesis."""

from collections.abc import AsyncIterator, Callable

from msgspec import Struct

from governlayer_server.domain.backup import RECORDS, VERIFIED, LedgerState, Manifest, Part, Table
from governlayer_server.domain.backup_ledger import LedgerInBackup
from governlayer_server.domain.copy_rows import CopyRows, Row
from governlayer_server.domain.errors import BackupError, NoteError, Unavailable
from governlayer_server.domain.ledger.note import ParsedCheckpoint, parse_checkpoint, parse_verifier_key
from governlayer_server.ports.anchors import Verify
from governlayer_server.ports.backups import Written
from governlayer_server.usecases.open_backup import OpenedBackup, Place, newest_genuine, open_backup
from governlayer_server.usecases.subject_key_file import open_subject_keys
from governlayer_server.usecases.tombstone_files import TombstoneFiles, require_all
from governlayer_server.usecases.verify_note import log_signatures

Progress = Callable[[int, int], None]
"""Is told how many rows of how many have been read."""


class Verified(Struct, frozen=True, kw_only=True):
    """What a verification found sound; *subject_keys* counts the data subjects' keys, *is_noted* that it is on file."""

    manifest: Manifest
    subject_keys: int
    tombstones: int
    is_noted: bool


class VerifyBackup(Struct, frozen=True, kw_only=True):
    """Verifies backups of one destination; *verify* verifies one Ed25519 signature."""

    place: Place
    verify: Verify

    async def __call__(self, backup_id: str | None = None, progress: Progress = lambda *_: None) -> Verified:
        """
        Return what was verified.

        Args:
            backup_id: which; None: the newest whole one.
            progress: told now and then.

        Raises:
            NotFound: there is none.
            BackupError: something of it is missing, damaged, or not what its manifest says.
            Unavailable: the store does not answer; nothing is known.
        """
        opened = await open_backup(self.place, backup_id)
        reading = _Reading(opened, self.verify, progress)
        for table in opened.manifest.tables:
            await reading.table(table)
        reading.finish()
        return Verified(
            manifest=opened.manifest,
            subject_keys=await self._subject_keys(opened.manifest.id),
            tombstones=await self._tombstones(opened.manifest),
            is_noted=await _noted(opened),
        )

    async def _tombstones(self, manifest: Manifest) -> int:
        """Read the list of what was erased, all of which the backup names has to be on it; return how long it is."""
        files = TombstoneFiles(store=self.place.store, name="the destination")
        await require_all([files], manifest.tombstones)
        names = await files.names()
        for name in names:
            await files.read(name, manifest.tombstones)
        return len(names)

    async def _subject_keys(self, backup_id: str) -> int:
        """Read the data subjects' keys; return how many there are."""
        newest = await newest_genuine(self.place, whole=True)
        not_before = backup_id if newest is None else max(backup_id, newest.id)
        file, rows = await open_subject_keys(self.place, not_before), CopyRows()
        if not file.columns:
            _ = [piece async for piece in file.rows]
            return 0
        return sum([1 async for _ in rows_of(file.rows, rows)])


class _Reading:
    """Reads the tables of one backup."""

    def __init__(self, opened: OpenedBackup, verify: Verify, progress: Progress) -> None:
        self._files = opened.files
        self._manifest = opened.manifest
        self._verify = verify
        self._progress = progress
        self._done = 0
        self._ledgers = {one.id: LedgerInBackup(one, self._checkpoint(one)) for one in opened.manifest.ledgers}

    async def table(self, table: Table) -> None:
        if sum(part.rows for part in table.parts) != table.rows:
            raise BackupError(f"the parts of {table.name} have other rows than the manifest says")
        for part in table.parts:
            rows = CopyRows()
            async for row in rows_of(self._files.read(part.name, written(part)), rows):
                if table.name == RECORDS:
                    self._record(table, row)
            if rows.count != part.rows:
                raise BackupError(f"{part.name} has {rows.count} rows, and the manifest says {part.rows}")
            self._done += part.rows
            self._progress(self._done, self._manifest.rows)

    def finish(self) -> None:
        for one in self._ledgers.values():
            one.finish()

    def _record(self, table: Table, row: Row) -> None:
        fields = dict(zip((column.name for column in table.columns), row, strict=True))
        ledger_id, seq, canonical, digest = (fields[name] for name in ("ledger_id", "seq", "canonical", "hash"))
        ledger = self._ledgers.get((ledger_id or b"").decode())
        if ledger is None or seq is None or canonical is None or digest is None:
            raise BackupError("there is a record of a ledger that the manifest does not name")
        ledger.add(int.from_bytes(seq, "big"), canonical, digest)

    def _checkpoint(self, state: LedgerState) -> ParsedCheckpoint | None:
        if state.checkpoint is None:
            return None
        try:
            keys = [parse_verifier_key(key) for key in self._manifest.vkeys]
            checkpoint = parse_checkpoint(state.checkpoint)
            log_signatures(checkpoint, keys, self._verify)
        except NoteError as error:
            raise BackupError(f"the checkpoint of the ledger {state.id} does not hold: {error}") from None
        if checkpoint.origin != state.origin:
            raise BackupError(f"the checkpoint of the ledger {state.id} is that of another ledger")
        return checkpoint


async def rows_of(pieces: AsyncIterator[bytes], rows: CopyRows) -> AsyncIterator[Row]:
    """
    Yield the rows of a COPY, which *rows* reads and counts.

    Raises:
        BackupError: it is damaged or cut off.
    """
    async for piece in pieces:
        for row in rows.feed(piece):
            yield row
    rows.finish()


def written(part: Part) -> Written:
    """Return what a part must be as it is stored."""
    return Written(size=part.size, sha256=part.sha256)


async def _noted(opened: OpenedBackup) -> bool:
    """Leave word in the destination that the backup was verified; one that is read-only takes none."""
    try:
        async with opened.files.writer(VERIFIED) as to:
            await to.write(opened.manifest.id.encode())
    except Unavailable:
        return False
    return True
