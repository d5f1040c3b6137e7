"""``governlayer retention``: how long payloads are kept, and destroying what has expired, the operator's side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import click
import msgspec

from governlayer_server.cli.common import (
    check_ledger,
    check_ledgers,
    data_option,
    find_organization,
    json_option,
    org_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.domain.errors import InvalidRequest
from governlayer_server.domain.organization import MIN_RETENTION_DAYS, Organization, SettingsChange
from governlayer_server.domain.retention import DATA_CLASSES, kept_for
from governlayer_server.wiring import Appliance

_FOR_EVER = "until-erased"


@click.group()
def retention() -> None:
    """Say how long payloads are kept, and destroy what has expired."""


@retention.command(
    "run",
    epilog="Exit status: 0 done, or another process is doing it; 1 it failed, or passed over a closed ledger.",
)
@data_option
@json_option
def run_command(data: Path | None, as_json: bool) -> None:
    """
    Destroy now what has expired, and record it; what a legal hold covers stays.

    A running server does so once an hour by itself, unless GOVERNLAYER_RETENTION_JOB is off.
    """
    destroyed, closed = run(_run(data))
    if as_json:
        shown = None if destroyed is None else {str(one): count for one, count in destroyed.items() if count}
        print_json({"closed": closed, "destroyed": shown})
    elif destroyed is None:
        click.echo("another process is doing it: nothing was done")
    else:
        for one, count in destroyed.items():
            if count:
                click.echo(f"{one}  payloads of {count} records")
        click.echo(f"destroyed payloads of {sum(destroyed.values())} records")
    if closed:
        raise click.exceptions.Exit(1)


async def _run(data: Path | None) -> tuple[Mapping[UUID, int] | None, Sequence[str]]:
    async with running_appliance(data) as appliance:
        await check_ledgers(appliance)
        return await appliance.holds.retention(), sorted(appliance.parts.refusals.closed)


@retention.command("show")
@data_option
@json_option
@click.option("--org", help="Id or name of the organization; all, if left out.")
def show(data: Path | None, as_json: bool, org: str | None) -> None:
    """Print for how long payloads are kept."""
    _print(run(_show(data, org)), as_json=as_json)


async def _show(data: Path | None, org: str | None) -> Sequence[Organization]:
    async with running_appliance(data, found=False) as appliance:
        wanted = None if org is None else await find_organization(appliance, org)
        return [one for one in await appliance.accounts.organizations() if wanted in {None, one.id}]


@retention.command("set")
@data_option
@json_option
@org_option
@click.option("--days", required=True, metavar="N|until-erased", help="Days from the time of the record, 1 to 36500.")
@click.option(
    "--data-class",
    type=click.Choice(DATA_CLASSES),
    help="Only for payloads of this name.  [default: for all that have no days of their own]",
)
@click.option(
    "--reason",
    metavar="R",
    help=f"Law or contract that asks for less than {MIN_RETENTION_DAYS} days; no names: it stands in the ledger.",
)
def set_command(
    data: Path | None, as_json: bool, org: str, days: str, data_class: str | None, reason: str | None
) -> None:
    """Say for how long payloads of an organization are kept; it holds at once, and is recorded."""
    if days != _FOR_EVER and not days.isdecimal():
        raise click.BadParameter(f"a number of days, or {_FOR_EVER}", param_hint="--days")
    number = None if days == _FOR_EVER else int(days)
    _print([run(_set(data, org, number, data_class, reason))], as_json=as_json)


async def _set(
    data: Path | None, org: str, days: int | None, data_class: str | None, reason: str | None
) -> Organization:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        change = await _change(appliance, organization_id, days, data_class, reason)
        return await appliance.manage_organizations.change_settings(organization_id, change)


async def _change(
    appliance: Appliance, organization_id: UUID, days: int | None, data_class: str | None, reason: str | None
) -> SettingsChange:
    given: dict[str, object] = {} if reason is None else {"retention_reason": reason}
    if data_class is None:
        given["retention_days"] = days
    else:
        async with appliance.accounts.tenant(organization_id) as tenant:
            before = (await tenant.organization()).settings.retention
        given["retention"] = {**msgspec.to_builtins(before), data_class: days}
    try:
        return msgspec.convert(given, SettingsChange)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"retention: {error}") from None


def _print(organizations: Sequence[Organization], *, as_json: bool) -> None:
    if as_json:
        print_json({"data": [_shown(one) for one in organizations]})
        return
    for one in organizations:
        settings = one.settings
        because = "" if settings.retention_reason is None else f" ({settings.retention_reason})"
        click.echo(f"{one.id}  {kept_for(settings.retention_days, settings.retention)}{because}  {one.name}")


def _shown(one: Organization) -> dict[str, object]:
    settings = one.settings
    return {
        "id": str(one.id),
        "name": one.name,
        "retention": msgspec.to_builtins(settings.retention),
        "retention_days": settings.retention_days,
        "retention_reason": settings.retention_reason,
    }
