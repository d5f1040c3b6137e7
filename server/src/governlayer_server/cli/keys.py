"""``governlayer keys``: API keys, the operator's side."""

from pathlib import Path

import click

from governlayer_server.cli.common import (
    data_option,
    find_organization,
    json_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.domain.access import Scope
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.create_key import NewKey


@click.group()
def keys() -> None:
    """Create and list API keys."""


@keys.command("create")
@data_option
@json_option
@click.option("--org", required=True, help="Id or name of the organization.")
@click.option("--name", required=True, help="1 to 100 characters.")
@click.option("--scopes", required=True, metavar="a,b", help=f"Comma separated: {', '.join(Scope)}.")
def create(data: Path | None, as_json: bool, org: str, name: str, scopes: str) -> None:
    """Create an API key. It is shown this once."""
    created = run(_create(data, org, name, _scopes(scopes)))
    if as_json:
        print_json({**_shown(created.stored), "key": created.key})
        return
    click.echo(created.key)
    click.echo(f"scopes {', '.join(sorted(created.stored.scopes))}; the key is not shown again", err=True)


async def _create(data: Path | None, org: str, name: str, scopes: frozenset[Scope]) -> NewKey:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        return await appliance.create_key(SYSTEM, organization_id, name, scopes)


@keys.command("list")
@data_option
@json_option
@click.option("--org", required=True, help="Id or name of the organization.")
def list_command(data: Path | None, as_json: bool, org: str) -> None:
    """List the keys of an organization, oldest first; never the keys themselves."""
    found = run(_list(data, org))
    if as_json:
        print_json({"data": [_shown(key) for key in found]})
        return
    for key in found:
        click.echo(f"{key.id}  {key.prefix}…  {','.join(sorted(key.scopes)):<24}  {key.name}")


async def _list(data: Path | None, org: str) -> list[ApiKey]:
    async with (
        running_appliance(data) as appliance,
        appliance.accounts.tenant(await find_organization(appliance, org)) as tenant,
    ):
        return list(await tenant.keys.all())


def _scopes(text: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(scope.strip()) for scope in text.split(",") if scope.strip())
    except ValueError:
        raise click.BadParameter(f"scopes are {', '.join(Scope)}", param_hint="--scopes") from None


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "created_at": time_text(key.created_us),
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(scope.value for scope in key.scopes),
    }
