"""``governlayer backup``, ``backup list`` and ``backup verify``."""

import time
from pathlib import Path

import click

from governlayer_server.adapters.crypto.verify import verify_ed25519
from governlayer_server.cli.backup_place import (
    from_option,
    keys_passphrase_option,
    later_passphrase,
    needed_passphrase,
    passphrase_from,
    passphrase_option,
    settings_and_owner,
    store_named,
)
from governlayer_server.cli.common import check_ledgers, data_option, json_option, opened_appliance, print_json, run
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.backup import Manifest, made_us
from governlayer_server.domain.times import SECOND_US, time_text
from governlayer_server.ports.backups import BackupStore
from governlayer_server.settings import PREFIX
from governlayer_server.usecases.open_backup import Found, find_backups
from governlayer_server.usecases.prune_backups import prune_backups
from governlayer_server.usecases.verify_backup import Verified, VerifyBackup
from governlayer_server.wiring.backups import back_up, place_of

_DAY_US = 24 * 3600 * SECOND_US


@click.group(
    invoke_without_command=True,
    epilog="The passphrase alone opens the backup on another machine: keep it where the machine is not.",
)
@data_option
@json_option
@click.option(
    "--to",
    envvar=PREFIX + "BACKUP_TO",
    metavar="DIR|s3://BUCKET/PREFIX",
    help="Where the backup goes.  [default: $GOVERNLAYER_BACKUP_TO]",
)
@passphrase_option
@click.option("--keep", type=click.IntRange(1, 10_000), help="Afterwards remove all but so many whole backups.")
@click.option("--keep-days", type=click.IntRange(1, 36_500), help="Afterwards remove those older than so many days.")
@click.pass_context
def backup(
    context: click.Context,
    data: Path | None,
    as_json: bool,
    to: str | None,
    passphrase_file: Path | None,
    keep: int | None,
    keep_days: int | None,
) -> None:
    """
    Back up the whole deployment, encrypted, while it runs or not. One that was cut off is gone on with.

    The newest whole backup and the last verified one are never removed.
    """
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise click.UsageError("say where the backup goes: --to DIR, or --to s3://BUCKET/PREFIX")
    if keep is not None and keep_days is not None:
        raise click.UsageError("give --keep or --keep-days, not both")
    since_us = None if keep_days is None else time.time_ns() // 1000 - keep_days * _DAY_US
    manifest, gone = run(_backup(data, store_named(to), needed_passphrase(passphrase_file, new=True), keep, since_us))
    if as_json:
        print_json({**_members(manifest), "removed": gone})
        return
    click.echo(f"{manifest.id}: {manifest.rows} rows, {len(manifest.ledgers)} ledgers, {manifest.size} bytes")
    for one in gone:
        click.echo(f"removed {one}")
    click.echo(f"now verify it: governlayer backup verify --from {to}", err=True)


async def _backup(
    data: Path | None, store: BackupStore, passphrase: str, keep: int | None, since_us: int | None
) -> tuple[Manifest, list[str]]:
    async with opened_appliance(data) as appliance:
        settings, owner = settings_and_owner(data)
        await check_ledgers(appliance)
        with Meter("backup", "rows") as meter:
            manifest = await back_up(appliance, settings, owner, store, passphrase, meter.show)
        place = place_of(store, passphrase, appliance.parts.keys.ring)
        return manifest, list(await prune_backups(place, keep=keep, since_us=since_us))


@backup.command("list")
@from_option
@json_option
def list_(source: str, as_json: bool) -> None:
    """List the backups of a destination, the oldest first. Nothing is opened: their names tell."""
    found = run(find_backups(store_named(source, exists=True)))
    if as_json:
        print_json({"data": [_listed(one) for one in found]})
        return
    if not found:
        click.echo(f"no backups in {source}")
    for one in found:
        state = "verified" if one.is_verified else "whole" if one.is_whole else "cut off"
        click.echo(f"{one.id}  {state:<8}  {one.size} bytes")


@backup.command("verify", epilog="Exit status: 0 sound, 1 not, or it could not be read.")
@click.argument("backup_id", metavar="[ID]", required=False)
@from_option
@data_option
@passphrase_option
@keys_passphrase_option
@json_option
def verify(
    backup_id: str | None,
    source: str,
    data: Path | None,
    passphrase_file: Path | None,
    keys_passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Read all of a backup (the newest whole one, unless ID names another), and follow every ledger from its genesis.

    It takes the passphrase and no database; without a passphrase, the appliance whose key-encryption key opens it.
    """
    passphrase, later = passphrase_from(passphrase_file), later_passphrase(keys_passphrase_file)
    verified = run(_verify(backup_id, store_named(source, exists=True), data, passphrase, later))
    if as_json:
        print_json({**_members(verified.manifest), "sound": True, "subject_keys": verified.subject_keys})
        return
    manifest = verified.manifest
    click.echo(f"{manifest.id}: sound ({manifest.rows} rows, {len(manifest.ledgers)} ledgers, {manifest.size} bytes)")
    if not verified.is_noted:
        click.echo("the destination takes no note of it: for --keep it counts as not verified", err=True)


async def _verify(
    backup_id: str | None, store: BackupStore, data: Path | None, passphrase: str | None, later: str | None
) -> Verified:
    with Meter("verification", "rows") as meter:
        if passphrase is not None:
            use = VerifyBackup(place=place_of(store, passphrase, later_passphrase=later), verify=verify_ed25519)
            return await use(backup_id, meter.show)
        async with opened_appliance(data) as appliance:
            place = place_of(store, None, appliance.parts.keys.ring, later)
            return await VerifyBackup(place=place, verify=verify_ed25519)(backup_id, meter.show)


def _members(manifest: Manifest) -> dict[str, object]:
    return {
        "bytes": manifest.size,
        "created_at": time_text(manifest.created_us),
        "deployment": manifest.deployment,
        "id": manifest.id,
        "ledgers": {one.id: one.size for one in manifest.ledgers},
        "rows": manifest.rows,
    }


def _listed(one: Found) -> dict[str, object]:
    return {
        "bytes": one.size,
        "created_at": time_text(made_us(one.id)),
        "id": one.id,
        "verified": one.is_verified,
        "whole": one.is_whole,
    }
