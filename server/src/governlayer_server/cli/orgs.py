"""``governlayer orgs``: organizations, the operator's side."""

from pathlib import Path

import click

from governlayer_server.cli.common import data_option, json_option, print_json, run, running_appliance
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.plan import Plan
from governlayer_server.domain.times import time_text


@click.group()
def orgs() -> None:
    """Create and list organizations."""


@orgs.command("create")
@data_option
@json_option
@click.option("--name", required=True, help="1 to 100 characters, unique.")
@click.option("--plan", type=click.Choice([plan.value for plan in Plan]), default=Plan.FREE.value, show_default=True)
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
        click.echo(f"{organization.id}  {organization.plan.value:<10}  {organization.name}")


async def _list(data: Path | None) -> list[Organization]:
    async with running_appliance(data) as appliance:
        return list(await appliance.accounts.organizations())


def _shown(organization: Organization) -> dict[str, object]:
    return {
        "created_at": time_text(organization.created_us),
        "id": str(organization.id),
        "name": organization.name,
        "plan": organization.plan.value,
    }
