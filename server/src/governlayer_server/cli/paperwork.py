"""``governlayer paperwork``: papers from live data, as Markdown or JSON."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click
from msgspec import to_builtins

from governlayer_server.cli.common import (
    data_option,
    find_organization,
    json_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.domain.inventory import shipped_inventory
from governlayer_server.domain.inventory_page import inventory_page
from governlayer_server.domain.paperwork_pages import logs_page, records_page
from governlayer_server.usecases.keep_paperwork import KeepPaperwork
from governlayer_server.wiring import Appliance

_Paper = TypeVar("_Paper")
_org_option = click.option("--org", default=None, help="Id or name of the organization; all, if left out.")


@click.group()
def paperwork() -> None:
    """Write what data protection and AI law ask to be written down, from live data; judging it stays with people."""


@paperwork.command("processing-records")
@data_option
@json_option
@_org_option
def processing_records(data: Path | None, as_json: bool, org: str | None) -> None:
    """Print the records of processing activities of organizations (GDPR Art. 30(1) and (2))."""
    papers = run(_papers(data, org, lambda keep, one: keep.processing_records(one)))
    _print(papers, records_page, as_json=as_json)


@paperwork.command("log-keeping")
@data_option
@json_option
@_org_option
def log_keeping(data: Path | None, as_json: bool, org: str | None) -> None:
    """Print which logs are kept of organizations' agents, and how (AI Act Art. 12, 19, 26(6))."""
    _print(run(_papers(data, org, lambda keep, one: keep.log_keeping(one))), logs_page, as_json=as_json)


@paperwork.command("inventory")
@json_option
def inventory(as_json: bool) -> None:
    """Print what the appliance keeps of whom, why, for how long, and how it is protected."""
    shipped = shipped_inventory()
    if as_json:
        print_json({"data": to_builtins(list(shipped.entries()))})
    else:
        click.echo(inventory_page(shipped), nl=False)


async def _papers(
    data: Path | None, org: str | None, write: Callable[[KeepPaperwork, UUID], Awaitable[_Paper]]
) -> Sequence[_Paper]:
    async with running_appliance(data, found=False) as appliance:
        return [await write(appliance.keep_paperwork, one) for one in await _organizations(appliance, org)]


async def _organizations(appliance: Appliance, org: str | None) -> Sequence[UUID]:
    organizations = await appliance.accounts.organizations()
    for name in appliance.keep_paperwork.supplied.unmatched(organizations):
        click.echo(f"governlayer: paperwork file: there is no organization {name}: its section is not used", err=True)
    return [one.id for one in organizations] if org is None else [await find_organization(appliance, org)]


def _print(papers: Sequence[_Paper], page: Callable[[_Paper], str], *, as_json: bool) -> None:
    if as_json:
        print_json({"data": to_builtins(papers)})
    else:
        click.echo("\n".join(page(paper) for paper in papers), nl=False)
