"""``governlayer users``: people, the operator's side."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import click

from governlayer_server.cli.common import (
    Command,
    check_ledger,
    data_option,
    find_organization,
    json_option,
    org_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.cli.public_url import public_url_option
from governlayer_server.domain.account import User
from governlayer_server.domain.times import time_text
from governlayer_server.usecases.one_time_tokens import NewToken
from governlayer_server.usecases.operate_users import OperateUsers
from governlayer_server.usecases.reset_password import reset_link

_Act = Callable[[OperateUsers, UUID, str], Awaitable[User]]


@click.group()
def users() -> None:
    """List users, let them back in, keep them out."""


def email_option(command: Command) -> Command:
    """Add ``--email``."""
    return click.option("--email", required=True, metavar="E", help="The user's e-mail address.")(command)


@users.command("list")
@data_option
@json_option
@org_option
def list_command(data: Path | None, as_json: bool, org: str) -> None:
    """List the users of an organization, oldest first."""
    found = run(_list(data, org))
    if as_json:
        print_json({"data": [{**_shown(user), "email": email} for user, email in found]})
        return
    for user, email in found:
        factor = "second factor" if user.totp_sealed is not None else ""
        click.echo(f"{user.id}  {user.role:<9}  {user.status:<8}  {email}  {factor}".rstrip())


@users.command("reset-password")
@data_option
@json_option
@org_option
@email_option
@public_url_option
def reset_password(data: Path | None, as_json: bool, org: str, email: str, public_url: str) -> None:
    """Print a link that sets a new password once, within 30 minutes. The second factor stays in force."""
    made = run(_reset(data, org, email))
    link, until = reset_link(public_url, made.text), time_text(made.stored.expires_us)
    if as_json:
        print_json({"expires_at": until, "token": made.text, "url": link, "user_id": str(made.stored.user_id)})
        return
    click.echo(link)
    click.echo(f"good once, until {until}; give it to the user alone", err=True)
    click.echo(f"it leads to {public_url}: give --public-url if the appliance is elsewhere", err=True)


@users.command("disable")
@data_option
@json_option
@org_option
@email_option
def disable(data: Path | None, as_json: bool, org: str, email: str) -> None:
    """Keep a user out; all sessions end at once."""
    _report(run(_act(data, org, email, OperateUsers.disable)), as_json, "disabled")


@users.command("enable")
@data_option
@json_option
@org_option
@email_option
def enable(data: Path | None, as_json: bool, org: str, email: str) -> None:
    """Let a disabled user sign in again."""
    _report(run(_act(data, org, email, OperateUsers.enable)), as_json, "enabled")


@users.command("remove-totp")
@data_option
@json_option
@org_option
@email_option
def remove_totp(data: Path | None, as_json: bool, org: str, email: str) -> None:
    """Take off the second factor of a user who lost it; make sure who asks."""
    _report(run(_act(data, org, email, OperateUsers.remove_totp)), as_json, "without a second factor:")


async def _list(data: Path | None, org: str) -> list[tuple[User, str]]:
    async with running_appliance(data) as appliance:
        return list(await appliance.operate_users.all(await find_organization(appliance, org)))


async def _reset(data: Path | None, org: str, email: str) -> NewToken:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await appliance.operate_users.reset_token(organization_id, email)


async def _act(data: Path | None, org: str, email: str, act: _Act) -> User:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        return await act(appliance.operate_users, organization_id, email)


def _report(user: User, as_json: bool, done: str) -> None:
    if as_json:
        print_json(_shown(user))
    else:
        click.echo(f"{done} {user.id}")


def _shown(user: User) -> dict[str, object]:
    return {
        "created_at": time_text(user.created_us),
        "id": str(user.id),
        "role": user.role.value,
        "status": user.status.value,
        "totp": user.totp_sealed is not None,
    }
