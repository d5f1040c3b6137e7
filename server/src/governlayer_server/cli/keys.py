"""``governlayer keys``: API keys, the operator's side."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from uuid import UUID

import click
import msgspec

from governlayer_server.adapters.system import SystemClock
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
from governlayer_server.cli.master_keys import new_master, rewrap_master
from governlayer_server.cli.rotations import rotate_data, rotate_jwt, rotate_master, rotate_pepper
from governlayer_server.domain.access import Scope
from governlayer_server.domain.errors import NotFound
from governlayer_server.domain.key_terms import MAX_GRACE_SECONDS, KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.times import DAY_US
from governlayer_server.usecases.manage_keys import KeyFacts, NewKey
from governlayer_server.web.key_bodies import NewKeyBody, key_body, moment, new_key_body
from governlayer_server.wiring import Appliance

_PAGE = 200
_key_option = click.option("--key", "key_id", type=click.UUID, required=True, metavar="ID", help="Id of the key.")
_of_option = click.option("--org", default=None, help="Id or name of the key's organization; found if left out.")


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys."""


@keys.command("create")
@data_option
@json_option
@org_option
@click.option("--name", required=True, help="1 to 100 characters.")
@click.option("--scopes", required=True, metavar="a,b", help=f"Comma separated: {', '.join(Scope)}.")
@click.option("--expires-in", type=click.IntRange(1, 3650), metavar="DAYS", help="Days until the key expires.")
@click.option("--expires-at", metavar="TIME", help="When it expires: RFC 3339, such as 2027-01-31T12:00:00Z.")
@click.option("--rate-limit", type=int, metavar="N", help="Requests per minute, at most the plan's.")
@click.option("--allow-ip", multiple=True, metavar="NET", help="Address or network it may be used from; repeatable.")
def create(
    data: Path | None,
    as_json: bool,
    org: str,
    name: str,
    scopes: str,
    expires_in: int | None,
    expires_at: str | None,
    rate_limit: int | None,
    allow_ip: tuple[str, ...],
) -> None:
    """Create an API key. It is shown this once."""
    terms = KeyTerms(
        name=name,
        scopes=_scopes(scopes),
        expires_us=_expiry(expires_in, expires_at),
        rate_limit=rate_limit,
        allowed_ips=allow_ip,
    )
    _show_new(run(_create(data, org, terms)), data, as_json)


async def _create(data: Path | None, org: str, terms: KeyTerms) -> NewKey:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.manage_keys.create(SYSTEM, organization_id, terms)


@keys.command("list")
@data_option
@json_option
@org_option
def list_command(data: Path | None, as_json: bool, org: str) -> None:
    """List the keys of an organization, oldest first, with status and last use; never the keys themselves."""
    found, now_us = run(_list(data, org)), SystemClock().now_us()
    shown = [key_body(facts, now_us) for facts in found]
    if as_json:
        print_json({"data": msgspec.to_builtins(shown)})
        return
    for one in shown:
        used = f"used {one.last_used_at[:16]}Z" if one.last_used_at else "never used"
        click.echo(f"{one.id}  {one.prefix}…  {one.status:<7}  {used:<22}  {','.join(one.scopes):<24}  {one.name}")


async def _list(data: Path | None, org: str) -> Sequence[KeyFacts]:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        found: list[KeyFacts] = []
        while page := await appliance.manage_keys.page(organization_id, found[-1].stored.id if found else None, _PAGE):
            found += page
        return found


@keys.command("rotate")
@data_option
@json_option
@_key_option
@_of_option
@click.option(
    "--grace",
    type=click.IntRange(0, MAX_GRACE_SECONDS),
    required=True,
    metavar="SECONDS",
    help="How long the secret before works on: 0 (refused at once) to 2592000 (30 days).",
)
def rotate(data: Path | None, as_json: bool, key_id: UUID, org: str | None, grace: int) -> None:
    """
    Replace the secret of a key; the id stays. The new key is shown this once.

    Rotating again within a grace ends the older secret's grace.
    """
    _show_new(run(_rotate(data, key_id, org, grace)), data, as_json)


async def _rotate(data: Path | None, key_id: UUID, org: str | None, grace: int) -> NewKey:
    async with running_appliance(data) as appliance:
        organization_id = await _organization_of(appliance, key_id, org)
        await check_ledger(appliance, organization_id)
        return await appliance.manage_keys.rotate(SYSTEM, organization_id, key_id, grace)


@keys.command("revoke")
@data_option
@json_option
@_key_option
@_of_option
def revoke(data: Path | None, as_json: bool, key_id: UUID, org: str | None) -> None:
    """Revoke a key: every replica refuses it within one second. This cannot be undone."""
    revoked = run(_revoke(data, key_id, org))
    if as_json:
        print_json(msgspec.to_builtins(key_body(revoked, SystemClock().now_us())))
        return
    key = revoked.stored
    click.echo(f"revoked {key.id}")
    click.echo(f"next: governlayer keys create{_data(data)} --org {key.organization_id} … makes another", err=True)


async def _revoke(data: Path | None, key_id: UUID, org: str | None) -> KeyFacts:
    async with running_appliance(data) as appliance:
        organization_id = await _organization_of(appliance, key_id, org)
        await check_ledger(appliance, organization_id)
        await appliance.manage_keys.revoke(SYSTEM, organization_id, key_id)
        return await appliance.manage_keys.one(organization_id, key_id)


async def _organization_of(appliance: Appliance, key_id: UUID, org: str | None) -> UUID:
    if org is not None:
        return await find_organization(appliance, org)
    for organization in await appliance.accounts.organizations():
        async with appliance.accounts.tenant(organization.id) as tenant:
            try:
                return (await tenant.keys.one(key_id)).organization_id
            except NotFound:
                continue
    raise NotFound(f"there is no key {key_id}: `governlayer keys list --org …` shows those of an organization")


def _show_new(made: NewKey, data: Path | None, as_json: bool) -> None:
    shown = new_key_body(made)
    if as_json:
        print_json(msgspec.to_builtins(shown))
        return
    click.echo(shown.key)
    click.echo(f"{_facts(shown)}; the key is not shown again", err=True)
    again = f"governlayer keys rotate{_data(data)} --key {shown.id} --grace 3600"
    click.echo(f"next: send it as `X-API-Key`; replace it later with: {again}", err=True)


def _facts(shown: NewKeyBody) -> str:
    facts = [f"scopes {', '.join(shown.scopes)}"]
    if shown.expires_at:
        facts.append(f"expires {shown.expires_at[:16]}Z")
    if shown.previous_valid_until:
        facts.append(f"the secret before works until {shown.previous_valid_until[:19]}Z")
    return "; ".join(facts)


def _data(data: Path | None) -> str:
    return "" if data is None else f" --data {data}"


def _scopes(text: str) -> list[Scope]:
    try:
        return [Scope(scope.strip()) for scope in text.split(",") if scope.strip()]
    except ValueError:
        _refuse(f"scopes are {', '.join(Scope)}", "--scopes")


def _expiry(days: int | None, time: str | None) -> int | None:
    if days is not None and time is not None:
        _refuse("--expires-in or --expires-at, not both", "--expires-in")
    if days is not None:
        return SystemClock().now_us() + days * DAY_US
    return None if time is None else moment("/expires_at", time)


def _refuse(message: str, option: str) -> NoReturn:
    raise click.BadParameter(message, param_hint=option) from None


for command in (new_master, rewrap_master, rotate_master, rotate_data, rotate_jwt, rotate_pepper):
    keys.add_command(command)
