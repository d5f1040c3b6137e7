"""``governlayer erase``: the operator's side of erasures."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import click
import msgspec

from governlayer_server.cli.common import (
    check_ledger,
    confirm,
    data_option,
    find_organization,
    json_option,
    print_json,
    run,
    running_appliance,
    yes_option,
)
from governlayer_server.domain.erasure import Target
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.erase import Erase, Erased, Extent
from governlayer_server.web.privacy_bodies import erasure_body
from governlayer_server.wiring import Appliance

_VACUUMS = 50
_AGAIN_S = 0.2


@click.command()
@data_option
@json_option
@click.option("--org", default=None, help="Id or name of the organization.")
@click.option("--data-subject", metavar="S", help="Destroy all that names this one; -: from standard input.")
@click.option("--decision", type=click.UUID, metavar="ID", help="Destroy what is stored of this decision.")
@click.option("--organization", "whole", is_flag=True, help="Destroy all that is stored of the closed organization.")
@click.option(
    "--basis", metavar="B", help="The legal basis, such as “GDPR Art. 17(1)(b)”: no names, it stays for ever."
)
@click.option("--dry-run", is_flag=True, help="Say what would be destroyed, and destroy nothing.")
@click.option("--vacuum", is_flag=True, help="Rewrite the tables that hold remnants, however large; writers may wait.")
@yes_option
def erase(
    data: Path | None,
    as_json: bool,
    org: str | None,
    data_subject: str | None,
    decision: UUID | None,
    whole: bool,
    basis: str | None,
    dry_run: bool,
    vacuum: bool,
    yes: bool,
) -> None:
    """Destroy personal data for ever; the ledger stays whole. Prints the certificate, a signed note."""
    chosen = sum((data_subject is not None, decision is not None, whole))
    if chosen == 0 and vacuum:
        if dry_run or org is not None or basis is not None:
            raise click.UsageError("--vacuum alone rewrites tables of all: without --org, --basis and --dry-run")
        _show_vacuum(run(_vacuum(data)), as_json=as_json)
        return
    if chosen != 1 or org is None:
        raise click.UsageError("name --org and one of --data-subject, --decision and --organization")
    if data_subject == "-":
        data_subject = sys.stdin.readline().rstrip("\r\n")
    if basis is None and not dry_run:
        raise click.UsageError("name the legal basis: --basis")
    if dry_run:
        _show_extent(run(_extent(data, org, data_subject, decision)), as_json=as_json)
        return
    confirm(f"Destroy {_what(data_subject, decision)} of {org} for ever?", yes=yes)
    erased = run(_erase(data, org, data_subject, decision, basis or "", at_any_size=vacuum))
    if as_json:
        print_json(msgspec.to_builtins(erasure_body(erased)))
    else:
        click.echo(erased.certificate, nl=False)
        click.echo(f"destroyed the payloads of {erased.erasure.tombstone.records} records", err=True)
        if erased.erasure.vacuumed_us is None:
            click.echo(
                "remnants are left in files of the database: `governlayer erase --vacuum` removes them", err=True
            )


def _what(data_subject: str | None, decision: UUID | None) -> str:
    if data_subject is not None:
        return "all that names this data subject"
    return "all that is stored" if decision is None else f"decision {decision}"


async def _erase(
    data: Path | None, org: str, data_subject: str | None, decision: UUID | None, basis: str, *, at_any_size: bool
) -> Erased:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        use = appliance.erasures.erase
        if data_subject is not None:
            erased = await use.subject(SYSTEM, organization_id, data_subject, basis)
        elif decision is not None:
            erased = await use.decision(SYSTEM, organization_id, decision, basis)
        else:
            erased = await use.organization(SYSTEM, organization_id, basis)
        await _finished(appliance, at_any_size=at_any_size)
        return await use.read(organization_id, erased.erasure.tombstone.id)


async def _extent(data: Path | None, org: str, data_subject: str | None, decision: UUID | None) -> Extent:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        use = appliance.erasures.erase
        return await use.extent(organization_id, await _target(use, organization_id, data_subject, decision))


async def _target(use: Erase, organization_id: UUID, data_subject: str | None, decision: UUID | None) -> Target:
    if data_subject is None:
        return Target(decision=decision)
    return Target(subject=await use.vault.subject_index(organization_id, data_subject))


async def _vacuum(data: Path | None) -> bool:
    async with running_appliance(data) as appliance:
        return await _finished(appliance, at_any_size=True)


async def _finished(appliance: Appliance, *, at_any_size: bool) -> bool:
    """Finish what is open; where the server is at it, wait for it for a few seconds."""
    finish: Callable[..., Awaitable[bool]] = appliance.erasures.finish
    for _ in range(_VACUUMS if at_any_size else 1):
        if await finish(at_any_size=at_any_size):
            return True
        await asyncio.sleep(_AGAIN_S)
    return False


def _show_extent(extent: Extent, *, as_json: bool) -> None:
    if as_json:
        print_json({"ranges": [list(one) for one in extent.ranges], "records": extent.records})
    else:
        click.echo(f"would destroy the payloads of {extent.records} records; nothing was destroyed")


def _show_vacuum(done: bool, *, as_json: bool) -> None:
    if as_json:
        print_json({"done": done})
    else:
        click.echo("no remnants are left in the tables" if done else "tables with remnants could not be rewritten")
    if not done:
        raise click.exceptions.Exit(1)
