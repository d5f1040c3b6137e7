"""``governlayer restore``: a backup into an empty place."""

import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from governlayer_server.adapters.backup.store_directory import DirectoryStore
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.embedded.restoring import begin_restore, end_restore, require_free
from governlayer_server.adapters.logs.access import configure_logs
from governlayer_server.adapters.postgres.restore_target import PostgresRestoreTarget
from governlayer_server.cli.backup_place import (
    from_option,
    keys_passphrase_option,
    later_passphrase,
    needed_passphrase,
    passphrase_option,
    store_named,
)
from governlayer_server.cli.common import (
    data_option,
    default_data,
    embedded_settings,
    is_embedded,
    json_option,
    postgres_address,
    print_json,
    run,
)
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.backup import Manifest
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.settings import Settings, settings_from
from governlayer_server.settings.backups import owner_from
from governlayer_server.settings.recovered import external_database, recovered_environment, secret_files, write_secrets
from governlayer_server.usecases.open_backup import OpenedBackup, Place, open_backup
from governlayer_server.usecases.restore import Restore
from governlayer_server.usecases.subject_key_file import SubjectKeyFile, open_subject_keys
from governlayer_server.usecases.tombstone_files import TombstoneFiles, require_all
from governlayer_server.wiring.backups import place_of
from governlayer_server.wiring.restores import (
    Newer,
    Restored,
    complete_restore,
    genuine_notes,
    newer_backups,
    notes_from,
)

_MAYBE_INCOMPLETE = (
    "what was erased is known from the destination alone: of erasures shortly before the loss, not all may be there. "
    "Give the lost machine's own list, if there is one: --tombstones DIR"
)


class _Wanted(Struct, frozen=True, kw_only=True):
    """What is restored, from where, to where."""

    place: Place
    backup_id: str | None
    data: Path | None
    secrets: Path | None
    checkpoints: tuple[Path, ...]
    lists: tuple[TombstoneFiles, ...]
    newer: Newer | None = None

    @property
    def known(self) -> dict[str, str]:
        """Hashes of tombstones that newer backups name."""
        return {} if self.newer is None else dict(self.newer.tombstones)


@click.command(epilog="Exit status: 0 restored and sound, 1 refused, failed, or a ledger is not sound and was closed.")
@from_option
@data_option
@click.option("--backup", "backup_id", metavar="ID", help="Which one.  [default: the newest whole one]")
@passphrase_option
@keys_passphrase_option
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A checkpoint newer than the backup, or a directory of such: the ledgers say then what was lost; repeatable.",
)
@click.option(
    "--secrets",
    type=click.Path(path_type=Path, file_okay=False),
    help="With an external database: empty directory that the recovered secrets are written to.",
)
@click.option(
    "--tombstones",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="A directory with the list of what was erased, such as the lost machine's `tombstones`; repeatable.",
)
@json_option
def restore(
    source: str,
    data: Path | None,
    backup_id: str | None,
    passphrase_file: Path | None,
    keys_passphrase_file: Path | None,
    checkpoints: tuple[Path, ...],
    secrets: Path | None,
    tombstones: tuple[Path, ...],
    as_json: bool,
) -> None:
    """
    Put a backup into an empty place: a new data directory, or the empty database that GOVERNLAYER_… settings name.

    The passphrase is enough. What was erased since is erased again, every ledger is checked, and gets a `restore`
    record. Interrupted, the same command goes on; until it has ended, nothing starts on the place.
    """
    later = later_passphrase(keys_passphrase_file)
    if is_embedded(data) and secrets is not None:
        raise click.UsageError("--secrets is for an external database: a data directory keeps its own")
    if is_embedded(data):
        require_free(data or default_data())
    place = place_of(store_named(source, exists=True), needed_passphrase(passphrase_file), later_passphrase=later)
    if not tombstones:
        click.echo(_MAYBE_INCOMPLETE, err=True)
    lists = [TombstoneFiles(store=DirectoryStore(one), name=str(one), prefix="") for one in tombstones]
    lists.append(TombstoneFiles(store=place.store, name=source))
    wanted = _Wanted(
        place=place, backup_id=backup_id, data=data, secrets=secrets, checkpoints=checkpoints, lists=tuple(lists)
    )
    restored = run(_restore(wanted))
    if as_json:
        print_json(_members(restored))
    else:
        _print(restored)
        click.echo(f"next: {_next(data, secrets)}", err=True)
    sys.exit(bool(restored.closed))


async def _restore(wanted: _Wanted) -> Restored:
    configure_logs()
    opened = await open_backup(wanted.place, wanted.backup_id)
    for path, count in genuine_notes(wanted.checkpoints, opened.manifest).items():
        click.echo(f"{path}: {count} checkpoints of ledgers in the backup", err=True)
    newer = await newer_backups(wanted.place, opened.manifest.id)
    for one in newer.closed:
        click.echo(f"the newer backup {one} does not open: what it knows of lost records is not used", err=True)
    wanted = replace(wanted, newer=newer)
    keys = await open_subject_keys(wanted.place, (newer.newest or opened.manifest).id)
    await require_all(wanted.lists, {**opened.manifest.tombstones, **wanted.known})
    if is_embedded(wanted.data):
        return await _embedded(wanted, opened, keys)
    return await _external(wanted, opened, keys)


async def _embedded(wanted: _Wanted, opened: OpenedBackup, keys: SubjectKeyFile) -> Restored:
    directory = begin_restore(wanted.data or default_data(), opened.manifest.id)
    with directory.lock():
        for name, text in secret_files(opened.manifest, keys.wrapped_by).items():
            directory.secret(name, partial(str, text))
        _write_policies(directory, opened.manifest)
        _ = EmbeddedRedis(directory).login  # its password is made now, as at a first start
        postgres = EmbeddedPostgres(directory)
        await postgres.start()
        try:
            settings = embedded_settings(directory)
            target = PostgresRestoreTarget(postgres_address(postgres.owner), marked=opened.manifest.id)
            restored = await _fill(wanted, opened, keys, target, settings)
        finally:
            await postgres.stop()
        end_restore(directory)
    return restored


def _write_policies(directory: DataDirectory, manifest: Manifest) -> None:
    policies = directory.path / "policies"
    policies.mkdir(mode=0o700, exist_ok=True)
    (policies / "default.cedar").write_text(manifest.secrets.policies, encoding="utf-8")


async def _external(wanted: _Wanted, opened: OpenedBackup, keys: SubjectKeyFile) -> Restored:
    if wanted.secrets is None:
        raise ConfigurationError(
            "the recovered secrets need a place: --secrets DIR, which GOVERNLAYER_… settings name then"
        )
    owner = owner_from(os.environ, external_database(os.environ))
    write_secrets(wanted.secrets, opened.manifest, keys.wrapped_by)
    settings = settings_from(recovered_environment(os.environ, wanted.secrets, opened.manifest.deployment))
    if settings.ledgers.tombstones is None:
        settings = replace(settings, ledgers=replace(settings.ledgers, tombstones=wanted.secrets / "tombstones"))
    return await _fill(wanted, opened, keys, PostgresRestoreTarget(owner), settings)


async def _fill(
    wanted: _Wanted, opened: OpenedBackup, keys: SubjectKeyFile, target: PostgresRestoreTarget, settings: Settings
) -> Restored:
    with Meter("restore", "bytes") as meter:
        manifest = await Restore(target=target)(opened, keys, meter.show)
    notes = notes_from(_places(wanted.checkpoints, settings), {} if wanted.newer is None else wanted.newer.checkpoints)
    known = {**manifest.tombstones, **wanted.known}
    with Meter("checking ledgers", "records") as meter:
        restored = await complete_restore(settings, manifest, notes, meter.show, wanted.lists, known)
    await target.finish()
    return restored


def _places(given: Sequence[Path], settings: Settings) -> Sequence[Path]:
    kept = settings.anchors.directory
    return given if kept is None else [*given, kept]


def _print(restored: Restored) -> None:
    click.echo(f"restored {restored.manifest.id}: {restored.manifest.rows} rows, {len(restored.ledgers)} ledgers")
    for one in restored.ledgers:
        if one.lost is not None:
            click.echo(f"{one.ledger_id}: records {one.size} to {one.lost - 1} are lost; record {one.seq} says so")
        elif one.seq is not None:
            click.echo(
                f"{one.ledger_id}: no newer checkpoint is known: records after these {one.size} may be lost unnoticed"
            )
    if restored.erased.done:
        click.echo(f"erased again: {len(restored.erased.done)}")
    for tombstone_id in restored.erased.strange:
        click.echo(f"the tombstone {tombstone_id} is of a ledger that is not here: nothing was erased for it", err=True)
    for tombstone_id in restored.erased.unrecorded:
        click.echo(f"the tombstone {tombstone_id} was erased again in a closed ledger: no record says so yet", err=True)
    for ledger_id in restored.closed:
        click.echo(f"{ledger_id}: CLOSED to writing: `governlayer ledger fsck --org {ledger_id}` says why", err=True)


def _next(data: Path | None, secrets: Path | None) -> str:
    if is_embedded(data):
        return shlex.join(["governlayer", "up", "--data", str(data or default_data())])
    return f"governlayer serve, with settings that name the secrets in {secrets}"


def _members(restored: Restored) -> dict[str, object]:
    return {
        "backup": restored.manifest.id,
        "closed": list(restored.closed),
        "erased_again": [str(one) for one in restored.erased.done],
        "erased_unrecorded": [str(one) for one in restored.erased.unrecorded],
        "erased_nothing": [str(one) for one in restored.erased.strange],
        "ledgers": {
            one.ledger_id: {"lost": one.lost, "restore_seq": one.seq, "size": one.size} for one in restored.ledgers
        },
        "rows": restored.manifest.rows,
    }
