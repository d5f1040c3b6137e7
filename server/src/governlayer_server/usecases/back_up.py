"""
Back up a deployment: everything that its database holds at one moment, and the secrets that it is worthless without.

A backup that was cut off is gone on with: parts of records that were written whole are kept, because records never
change; all else is written anew, from the new snapshot.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from hashlib import sha256

import msgspec
from msgspec import Struct

from governlayer_server.domain.backup import (
    ENVELOPE,
    FORMAT,
    KEY_TABLE,
    KEYS,
    MANIFEST,
    RECORDS,
    TOMBSTONES,
    KeyRows,
    LedgerState,
    Manifest,
    Part,
    RecoverySecrets,
    Span,
    Table,
    file_name,
    is_own,
    keys_name,
    keys_of,
    made_us,
    new_backup_id,
)
from governlayer_server.domain.errors import BackupError
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock, Entropy
from governlayer_server.ports.backups import Key, SealedFiles, Snapshot, SourceTable, Take
from governlayer_server.usecases.open_backup import Found, Place, newest_genuine, open_files, read_all

PART_BYTES = 64 * 1024 * 1024
_PART = msgspec.json.Decoder(Part)
_Copy = Callable[[Take], Awaitable[int]]
Progress = Callable[[int, int], None]
"""Is told how many rows of how many are done."""


class About(Struct, frozen=True, kw_only=True):
    """What a backup says of the appliance that it is of."""

    version: str
    deployment: str
    install_id: str
    secrets: RecoverySecrets


class BackUp(Struct, frozen=True, kw_only=True):
    """
    Makes backups in one destination.

    Attributes:
        place: the destination.
        clock: for the time in the manifest.
        entropy: for ids.
        tombstones: yields what was erased: name and content of each file of the list.
        part_bytes: how much of a table, as it is stored, a part holds on the average.
    """

    place: Place
    clock: Clock
    entropy: Entropy
    tombstones: Callable[[], AsyncIterator[tuple[str, bytes]]]
    part_bytes: int = PART_BYTES

    async def __call__(self, snapshot: Snapshot, about: About, progress: Progress = lambda *_: None) -> Manifest:
        """
        Return the manifest of the backup, which is whole and durable.

        Args:
            snapshot: of the database.
            about: the appliance.
            progress: told now and then.

        Raises:
            Unavailable: the database or the store went away. What was written is gone on with the next time.
        """
        now_us = self.clock.now_us()
        newest = await newest_genuine(self.place)
        newest_us = made_us(newest.id) if newest else 0
        begun = None if newest is None else await self._begun(newest, snapshot, about)
        # Later than every other, so that the newest is the last by name, whatever the clock does.
        backup_id, files, kept = begun or await self._new(about, max(now_us, newest_us + SECOND_US))
        tables = [one for one in await snapshot.tables() if one.name != KEY_TABLE]
        ledgers = await snapshot.ledgers()
        run = _Run(snapshot, files, kept, self.part_bytes, progress, sum(one.rows for one in tables))
        written = [await run.table(one, ledgers) for one in tables]
        # At the end, and as they are now: a key that was destroyed meanwhile would stay in the file until the next.
        # Then the tombstones, so that what was erased before this moment is in none of the keys, or on the list.
        await self._write_keys(snapshot, backup_id, about)
        tombstones = await self._copy_tombstones()
        manifest = Manifest(
            format=FORMAT,
            id=backup_id,
            created_us=now_us,
            version=about.version,
            server_version=snapshot.server_version,
            deployment=about.deployment,
            install_id=about.install_id,
            migrations=tuple(await snapshot.migrations()),
            vkeys=tuple(await snapshot.vkeys()),
            tables=tuple(written),
            sequences=tuple(await snapshot.sequences()),
            ledgers=tuple(ledgers),
            secrets=about.secrets,
            tombstones=tombstones,
        )
        await _write(files, MANIFEST, msgspec.json.encode(manifest))
        await self._tidy(backup_id)
        return manifest

    async def _new(self, about: About, now_us: int) -> tuple[str, SealedFiles, Sequence[Part]]:
        backup_id = new_backup_id(now_us, self.entropy.bytes(4))
        envelope, key = await self.place.keys.new(backup_id, about.install_id, "backup")
        async with self.place.store.writer(file_name(backup_id, ENVELOPE)) as to:
            await to.write(_line(envelope))
        return backup_id, self.place.files_of(self.place.store, file_name(backup_id, ""), backup_id, key), ()

    async def _begun(
        self, newest: Found, snapshot: Snapshot, about: About
    ) -> tuple[str, SealedFiles, Sequence[Part]] | None:
        """Return the newest backup if it was cut off, is ours, and opens with the passphrase of today."""
        if newest.is_whole:
            return None
        backup_id = newest.id
        try:
            envelope, files = await open_files(self.place, backup_id)
        except BackupError:
            return None
        if envelope.install_id != about.install_id:
            return None
        kept = await self._kept(snapshot, files, backup_id)
        await self._remove_others(backup_id, {part.name for part in kept})
        return backup_id, files, kept

    async def _kept(self, snapshot: Snapshot, files: SealedFiles, backup_id: str) -> Sequence[Part]:
        """Return the parts of records that were written whole, and whose records are those of the snapshot."""
        folder = file_name(backup_id, "")
        there = {one.name.removeprefix(folder): one.size for one in await self.place.store.list(folder)}
        kept = list[Part]()
        for name in sorted(name for name in there if name.startswith("journal/")):
            try:
                part = _PART.decode(await read_all(files.read(name)))
            except (BackupError, msgspec.DecodeError, msgspec.ValidationError):
                continue
            span = part.span
            if part.journal != name or there.get(part.name) != part.size or span is None:
                continue
            if await snapshot.record_hash(span.ledger_id, span.last) == span.head:
                kept.append(part)
        return kept

    async def _remove_others(self, backup_id: str, kept: set[str]) -> None:
        folder = file_name(backup_id, "parts/")
        for one in await self.place.store.list(folder):
            name = one.name.removeprefix(file_name(backup_id, ""))
            if is_own(name) and name not in kept:
                await self.place.store.delete(one.name)

    async def _copy_tombstones(self) -> dict[str, str]:
        """Complete the list in the destination; return the hashes of what is on ours."""
        there = {one.name for one in await self.place.store.list(TOMBSTONES)}
        hashes = dict[str, str]()
        async for name, content in self.tombstones():
            hashes[name] = sha256(content).hexdigest()
            if TOMBSTONES + name not in there:
                async with self.place.store.writer(TOMBSTONES + name) as to:
                    await to.write(content)
        return hashes

    async def _write_keys(self, snapshot: Snapshot, backup_id: str, about: About) -> None:
        """Write the data subjects' keys as they are now, and remove every older file of them."""
        table = next((one for one in await snapshot.tables() if one.name == KEY_TABLE), None)
        envelope, key = await self.place.keys.new(backup_id, about.install_id, "keys")
        name = keys_name(backup_id)
        await self.place.store.sweep(KEYS)
        files = self.place.files_of(self.place.store, "", backup_id, key)
        async with files.writer(name, _line(envelope)) as to:
            columns = () if table is None else table.columns
            await to.write(_line(KeyRows(columns=columns, wrapped_by=about.secrets.keys)))
            if table is not None:
                await snapshot.copy_now(table, to.write)
        for one in await self.place.store.list(KEYS):
            if one.name != name and keys_of(one.name) is not None:
                await self.place.store.delete(one.name)

    async def _tidy(self, backup_id: str) -> None:
        """Remove the journal, which the manifest makes good for."""
        for one in await self.place.store.list(file_name(backup_id, "journal/")):
            if is_own(one.name.removeprefix(file_name(backup_id, ""))):
                await self.place.store.delete(one.name)


class _Run:
    """Writes the tables of one backup, part by part."""

    def __init__(
        self,
        snapshot: Snapshot,
        files: SealedFiles,
        kept: Sequence[Part],
        part_bytes: int,
        progress: Progress,
        total: int,
    ) -> None:
        self._snapshot = snapshot
        self._files = files
        self._kept = kept
        self._part_bytes = part_bytes
        self._progress = progress
        self._total = total
        self._done = 0
        self._number = max((part.number for part in kept), default=0)

    async def table(self, table: SourceTable, ledgers: Sequence[LedgerState]) -> Table:
        rows = max(1, self._part_bytes * table.rows // max(table.bytes, 1))
        parts = await (self._records(table, ledgers, rows) if table.name == RECORDS else self._pages(table, rows))
        count = sum(part.rows for part in parts)
        if count != table.rows:
            raise BackupError(f"the table {table.name} has {table.rows} rows, and {count} were read")
        return Table(name=table.name, columns=table.columns, rows=count, parts=tuple(parts))

    async def _pages(self, table: SourceTable, rows: int) -> Sequence[Part]:
        parts, after = list[Part](), None
        while True:
            end = await self._snapshot.page_end(table, after, rows)
            parts.append(await self._part(table.name, _page(self._snapshot, table, after, end)))
            if end is None:
                return parts
            after = end

    async def _records(self, table: SourceTable, ledgers: Sequence[LedgerState], rows: int) -> Sequence[Part]:
        """Write the records of each ledger from where the kept parts end."""
        parts = list[Part]()
        for ledger in ledgers:
            reached = 0
            for part in _of(self._kept, ledger):
                if part.span is not None and part.span.first == reached and part.span.last < ledger.size:
                    parts.append(part)
                    reached = part.span.last + 1
                    self._count(part.rows)
            for first in range(reached, ledger.size, rows):
                parts.append(await self._span(table, ledger, first, min(first + rows, ledger.size) - 1))
        return parts

    async def _span(self, table: SourceTable, ledger: LedgerState, first: int, last: int) -> Part:
        head = await self._snapshot.record_hash(ledger.id, last)
        span = Span(ledger_id=ledger.id, first=first, last=last, head=head or "")

        async def copy(take: Take) -> int:
            return await self._snapshot.copy_records(table, ledger.id, first, last, take)

        part = await self._part(table.name, copy, span)
        await _write(self._files, part.journal, msgspec.json.encode(part))
        return part

    async def _part(self, table: str, copy: _Copy, span: Span | None = None) -> Part:
        self._number += 1
        named = Part(number=self._number, table=table, rows=0, size=0, sha256="", span=span)
        async with self._files.writer(named.name) as to:
            rows = await copy(to.write)
        self._count(rows)
        written = to.written
        return msgspec.structs.replace(named, rows=rows, size=written.size, sha256=written.sha256)

    def _count(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


def _page(snapshot: Snapshot, table: SourceTable, after: Key | None, up_to: Key | None) -> _Copy:
    async def copy(take: Take) -> int:
        return await snapshot.copy_page(table, after, up_to, take)

    return copy


def _of(kept: Sequence[Part], ledger: LedgerState) -> Sequence[Part]:
    """Return the kept parts of one ledger, in the order of their records."""
    mine = [(part.span.first, part) for part in kept if part.span is not None and part.span.ledger_id == ledger.id]
    return [part for _, part in sorted(mine, key=lambda one: one[0])]


def _line(value: Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


async def _write(files: SealedFiles, name: str, content: bytes) -> None:
    async with files.writer(name) as to:
        await to.write(content)
