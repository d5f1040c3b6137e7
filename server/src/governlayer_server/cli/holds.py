"""``governlayer holds``: legal holds, the operator's side."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import click
import msgspec

from governlayer_server.cli.common import (
    check_ledger,
    data_option,
    find_organization,
    json_option,
    org_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.manage_holds import Hold, HoldTerms
from governlayer_server.web.hold_bodies import HoldBody, hold_body

_PAGE = 200
_reason_option = click.option("--reason", required=True, help="1 to 500 characters; stored encrypted.")


@click.group()
def holds() -> None:
    """Make, list and release legal holds: what they cover is destroyed by no erasure and no retention."""


@holds.command("create")
@data_option
@json_option
@org_option
@_reason_option
@click.option("--data-subject", metavar="S", help="Hold all that names this data subject, now and later.")
@click.option("--first", type=int, metavar="SEQ", help="Hold the records from this one on.")
@click.option("--last", type=int, metavar="SEQ", help="Up to this one.  [default: there is no last one]")
@click.option("--whole", is_flag=True, help="Hold all that the organization has, now and later.")
def create(
    data: Path | None,
    as_json: bool,
    org: str,
    reason: str,
    data_subject: str | None,
    first: int | None,
    last: int | None,
    whole: bool,
) -> None:
    """Make a legal hold: of a data subject, of a range of records, or of the whole organization."""
    if [data_subject is not None, first is not None, whole].count(True) != 1:
        raise click.UsageError("one of --data-subject, --first and --whole")
    if last is not None and first is None:
        raise click.UsageError("--last needs --first")
    if first is not None and last is not None and last < first:
        raise click.UsageError(f"--last {last} is before --first {first}")
    terms = HoldTerms(reason=reason, data_subject=data_subject, first_seq=first, last_seq=last)
    _show([run(_create(data, org, terms))], as_json=as_json)


async def _create(data: Path | None, org: str, terms: HoldTerms) -> Hold:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.holds.manage.create(SYSTEM, organization_id, terms)


@holds.command("list")
@data_option
@json_option
@org_option
def list_command(data: Path | None, as_json: bool, org: str) -> None:
    """List the legal holds of an organization, oldest first, released ones too."""
    found = run(_list(data, org))
    if as_json:
        print_json({"data": [msgspec.to_builtins(hold_body(one)) for one in found]})
    else:
        _show(found, as_json=False)


async def _list(data: Path | None, org: str) -> Sequence[Hold]:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        found: list[Hold] = []
        while page := await appliance.holds.manage.page(organization_id, found[-1].stored.id if found else None, _PAGE):
            found += page
        return found


@holds.command("release")
@data_option
@json_option
@org_option
@click.option("--hold", "hold_id", type=click.UUID, required=True, metavar="ID", help="Id of the hold.")
@_reason_option
def release(data: Path | None, as_json: bool, org: str, hold_id: UUID, reason: str) -> None:
    """Release a legal hold; a second time changes nothing."""
    _show([run(_release(data, org, hold_id, reason))], as_json=as_json)


async def _release(data: Path | None, org: str, hold_id: UUID, reason: str) -> Hold:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.holds.manage.release(SYSTEM, organization_id, hold_id, reason)


def _show(found: Sequence[Hold], *, as_json: bool) -> None:
    for shown in map(hold_body, found):
        if as_json:
            print_json(msgspec.to_builtins(shown))
        else:
            status = "in force" if shown.released_at is None else f"released {shown.released_at[:16]}Z"
            click.echo(f"{shown.id}  {status:<27}  {_covered(shown)}  {shown.reason or '(erased)'}")


def _covered(shown: HoldBody) -> str:
    if shown.first_seq is not None:
        return f"records {shown.first_seq} to {'…' if shown.last_seq is None else shown.last_seq}"
    return shown.kind.value if shown.data_subject is None else f"data subject {shown.data_subject}"
