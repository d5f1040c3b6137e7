"""``governlayer ledger fsck`` and ``accept-restore``: what is stored of the ledgers, and what to do after a restore."""

import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import click
from msgspec import to_builtins

from governlayer_server.cli.common import (
    data_option,
    find_ledger,
    json_option,
    ledger_option,
    opened_appliance,
    print_json,
    run,
)
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.tenants import SYSTEM_LEDGER, tenant_name
from governlayer_server.ports.ledger import Entry
from governlayer_server.usecases.fsck_ledger import Fsck
from governlayer_server.wiring import Appliance

_UNCHECKED = 2


@click.command("fsck", epilog="Exit status: 0 sound, 1 a ledger is not, 2 it could not be checked.")
@data_option
@json_option
@click.option("--org", help="Id or name of the organization, or `system` for the deployment's own ledger.")
@click.option("--all", "every", is_flag=True, help="All ledgers, the deployment's own first.")
def fsck(data: Path | None, as_json: bool, org: str | None, every: bool) -> None:
    """
    Check everything that is stored of a ledger: records, columns, tree, checkpoints, payloads.

    Nothing is changed or recorded. It may run beside the appliance, and without it: then PostgreSQL runs meanwhile.
    """
    if every == (org is not None):
        raise click.UsageError("give --org ORG or --all")
    try:
        found = run(_fsck(data, org))
    except GovernLayerError as error:
        click.echo(f"governlayer: {error}", err=True)
        sys.exit(_UNCHECKED)
    if as_json:
        print_json({"ledgers": [_members(one) for one in found], "sound": all(one.is_sound for one in found)})
    else:
        for one in found:
            _print(one)
    sys.exit(not all(one.is_sound for one in found))


async def _fsck(data: Path | None, org: str | None) -> Sequence[Fsck]:
    async with opened_appliance(data) as appliance:
        found = []
        for ledger_id, organization_id in await _ledgers(appliance, org):
            with Meter(f"ledger {ledger_id}", "records") as meter:
                found.append(await appliance.checks.fsck(ledger_id, organization_id, meter.show))
        return found


async def _ledgers(appliance: Appliance, org: str | None) -> Sequence[tuple[str, UUID | None]]:
    if org is not None:
        organization_id = await find_ledger(appliance, org)
        return [(tenant_name(organization_id), organization_id)]
    return [(one, None if one == SYSTEM_LEDGER else UUID(one)) for one in await appliance.ledger_ids()]


def _members(one: Fsck) -> dict[str, object]:
    return {**to_builtins(one), "sound": one.is_sound}


def _print(one: Fsck) -> None:
    counted = ", ".join(f"{count} {name}" for name, count in one.checked.items())
    click.echo(f"{one.ledger_id}: {'sound' if one.is_sound else 'NOT SOUND'} ({counted or 'nothing there'})")
    for finding in one.findings:
        at = "" if finding.seq is None else f" at seq {finding.seq}"
        click.echo(f"  {finding.step}{at}: expected {finding.expected!r}, found {finding.found!r}")
    for step, count in one.counts.items():
        shown = sum(finding.step == step for finding in one.findings)
        if count > shown:
            click.echo(f"  {step}: {count - shown} more")


@click.command("accept-restore")
@data_option
@json_option
@ledger_option
@click.option(
    "--yes-records-are-lost",
    is_flag=True,
    help="Needed: records that were answered for are gone, and everybody who kept a checkpoint of them will see it.",
)
def accept_restore(data: Path | None, as_json: bool, org: str, yes_records_are_lost: bool) -> None:
    """
    Open a ledger that was closed because an older copy of the database was put back.

    A `restore` record names the lost checkpoint for good. A ledger that contradicts itself is not opened.
    """
    if not yes_records_are_lost:
        raise click.UsageError("records are lost for good: say --yes-records-are-lost if that is so")
    entry = run(_accept(data, org))
    if as_json:
        print_json({"hash": entry.record.hash.hex(), "seq": entry.record.seq})
    else:
        click.echo(f"the ledger goes on: its restore is record {entry.record.seq}")


async def _accept(data: Path | None, org: str) -> Entry:
    async with opened_appliance(data) as appliance:
        organization_id = await find_ledger(appliance, org)
        return await appliance.checks.accept_restore(tenant_name(organization_id))
