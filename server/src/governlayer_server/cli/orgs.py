"""``governlayer orgs``: organizations, the operator's side."""

from pathlib import Path

import click

from governlayer_server.cli.common import (
    check_ledger,
    confirm,
    data_option,
    find_organization,
    json_option,
    org_option,
    print_json,
    run,
    running_appliance,
    yes_option,
)
from governlayer_server.cli.public_url import public_url_option
from governlayer_server.domain.errors import Conflict
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.set_up import SET_UP_MINUTES
from governlayer_server.web.links import Links

_PLANS = click.Choice([plan.value for plan in Plan])


@click.group()
def orgs() -> None:
    """Create, list, close and reopen organizations, set their plans, invite new ones."""


@orgs.command("create")
@data_option
@json_option
@click.option("--name", required=True, help="1 to 100 characters, unique.")
@click.option("--plan", type=_PLANS, default=Plan.FREE.value, show_default=True)
@click.option("--owner-email", required=True, metavar="E", help="E-mail address of the owner.")
@click.option(
    "--owner-password-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="File with the owner's password, 12 to 128 characters; without it the owner cannot sign in yet.",
)
def create(
    data: Path | None,
    as_json: bool,
    name: str,
    plan: str,
    owner_email: str,
    owner_password_file: Path | None,
) -> None:
    """Create an organization with its owner and its ledger."""
    password = None
    if owner_password_file is not None:
        password = owner_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    organization = run(_create(data, name, Plan(plan), owner_email, password))
    if as_json:
        print_json(_shown(organization))
    else:
        click.echo(f"created {organization.name} ({organization.plan.value}): {organization.id}")
        if password is None:
            link = f"governlayer users reset-password --org {organization.id} --email {owner_email}"
            click.echo(f"next: the owner sets a password with the link that `{link}` prints", err=True)


async def _create(data: Path | None, name: str, plan: Plan, email: str, password: str | None) -> Organization:
    async with running_appliance(data) as appliance:
        return await appliance.create_organization(name, plan, email, password)


@orgs.command("list")
@data_option
@json_option
def list_command(data: Path | None, as_json: bool) -> None:
    """List all organizations, oldest first."""
    found = run(_list(data))
    if as_json:
        print_json({"data": [_shown(organization) for organization in found]})
        return
    for organization in found:
        click.echo(f"{organization.id}  {_status(organization):<6}  {organization.plan.value:<10}  {organization.name}")


async def _list(data: Path | None) -> list[Organization]:
    async with running_appliance(data) as appliance:
        return list(await appliance.accounts.organizations())


@orgs.command("set-plan")
@data_option
@json_option
@org_option
@click.option("--plan", type=_PLANS, required=True)
def set_plan(data: Path | None, as_json: bool, org: str, plan: str) -> None:
    """Set the plan of an organization; its limits hold at once."""
    _print(run(_set_plan(data, org, Plan(plan))), as_json=as_json)


async def _set_plan(data: Path | None, org: str, plan: Plan) -> Organization:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.manage_organizations.set_plan(organization_id, plan)


@orgs.command("close")
@data_option
@json_option
@org_option
@yes_option
def close(data: Path | None, as_json: bool, org: str, yes: bool) -> None:
    """Close an organization: its keys and sessions stop working at once. Nothing is deleted."""
    confirm(f"Close {org}? Its keys and sessions stop working at once", yes=yes)
    _print(run(_close(data, org)), as_json=as_json)


async def _close(data: Path | None, org: str) -> Organization:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.manage_organizations.close(organization_id)


@orgs.command("reopen")
@data_option
@json_option
@org_option
def reopen(data: Path | None, as_json: bool, org: str) -> None:
    """Reopen a closed organization: its keys work again, its users sign in anew."""
    _print(run(_reopen(data, org)), as_json=as_json)


async def _reopen(data: Path | None, org: str) -> Organization:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.manage_organizations.reopen(organization_id)


@orgs.command("invite")
@data_option
@json_option
@click.option("--plan", type=_PLANS, default=Plan.FREE.value, show_default=True)
def invite(data: Path | None, as_json: bool, plan: str) -> None:
    """Print an invitation to found an organization. It is shown this once, works once, and is good for 7 days."""
    token = run(_invite(data, Plan(plan)))
    if as_json:
        print_json({"invite": token, "plan": plan})
        return
    click.echo(token)
    click.echo(
        "good once, for 7 days, behind <URL>/setup#invite= or as `invite` of POST /v1/auth/register; not shown again",
        err=True,
    )


async def _invite(data: Path | None, plan: Plan) -> str:
    async with running_appliance(data) as appliance:
        return await appliance.manage_organizations.invite(plan)


@orgs.command("set-up-link")
@data_option
@json_option
@public_url_option
def set_up_link(data: Path | None, as_json: bool, public_url: str) -> None:
    """
    Print the link by which the first organization is founded, and its owner made. Links before it are void.

    Only while there is no organization; good once, for 30 minutes, and with `up` until that starts again.
    """
    token = run(_set_up(data))
    if token is None:
        raise Conflict("there is an organization already: `governlayer orgs invite` admits another one")
    link = Links(public_url).setup(token)
    if as_json:
        print_json({"url": link, "valid_minutes": SET_UP_MINUTES})
        return
    click.echo(link)
    click.echo(f"good once, for {SET_UP_MINUTES} minutes; not shown again", err=True)


async def _set_up(data: Path | None) -> str | None:
    async with running_appliance(data) as appliance:
        return await appliance.set_up()


def _print(organization: Organization, *, as_json: bool) -> None:
    if as_json:
        print_json(_shown(organization))
    else:
        click.echo(f"{organization.name}: {_status(organization)}, plan {organization.plan.value}")


def _status(organization: Organization) -> str:
    if organization.erased_us is not None:
        return "erased"
    return "open" if organization.closed_us is None else "closed"


def _shown(organization: Organization) -> dict[str, object]:
    return {
        "created_at": time_text(organization.created_us),
        "id": str(organization.id),
        "name": organization.name,
        "plan": organization.plan.value,
        "status": _status(organization),
    }
