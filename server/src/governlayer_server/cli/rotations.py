"""``governlayer keys rotate-master``, ``rotate-data``, ``rotate-pepper``, ``rotate-jwt``: exchange keys and secrets."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import click

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.next_master_key import DirectoryNextKey, GivenNextKey
from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.cli.common import (
    Command,
    check_ledger,
    confirm,
    data_option,
    default_data,
    find_organization,
    is_embedded,
    json_option,
    print_json,
    run,
    running_appliance,
    yes_option,
)
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.master_keys import NextMasterKey
from governlayer_server.usecases.rotate_pepper import Agreed
from governlayer_server.wiring import Appliance

_WAIT_S = 5.0


class Told:
    """``ports.rotations.Steps``: says each step on standard error, and waits by the clock."""

    def __init__(self, wait_s: float, meter: Meter) -> None:
        self._wait_s = wait_s
        self._meter = meter

    async def reached(self, step: str) -> None:
        """Say *step*."""
        click.echo(f"governlayer: {step}", err=True)

    def progress(self, done: int, total: int) -> None:
        """Show how much is done."""
        self._meter.show(done, total)

    async def rest(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        """Return once every process has read the keys anew, which each does once a second."""
        await asyncio.sleep(self._wait_s)


def wait_option(command: Command) -> Command:
    """Add ``--wait SECONDS``."""
    return click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(min=0),
        default=_WAIT_S,
        show_default=True,
        help="Seconds for which all processes may still use what was before; each reads the keys anew once a second.",
    )(command)


@click.command("rotate-master")
@data_option
@json_option
@wait_option
def rotate_master(data: Path | None, as_json: bool, wait_s: float) -> None:
    """
    Exchange the key-encryption key, while the appliance runs, and wrap all other keys under the new one.

    With `governlayer up` the new key is made here. With `serve` put it where every replica finds it by
    GOVERNLAYER_KEY_ENCRYPTION_KEY_NEXT_FILE first (`governlayer keys new-master`). Safe to repeat: a rotation that was
    interrupted is completed.
    """
    name = run(_rotate_master(data, wait_s))
    if as_json:
        print_json({"key_id": name, "state": "active"})
        return
    click.echo(name)
    if not is_embedded(data):
        click.echo(
            "next: put the new key where GOVERNLAYER_KEY_ENCRYPTION_KEY[_FILE] is read, then remove the one before and "
            "GOVERNLAYER_KEY_ENCRYPTION_KEY_NEXT_FILE; restart the replicas one after the other",
            err=True,
        )


async def _rotate_master(data: Path | None, wait_s: float) -> str:
    async with running_appliance(data) as appliance:
        await check_ledger(appliance, None)
        with Meter("wrapping keys anew", "keys") as meter:
            return await appliance.rotations.master(_next_key(data, appliance), Told(wait_s, meter))


def _next_key(data: Path | None, appliance: Appliance) -> NextMasterKey:
    provider = appliance.parts.keys.provider
    if not is_embedded(data):
        return GivenNextKey(provider)
    return DirectoryNextKey(DataDirectory.open(data or default_data()), provider, SystemEntropy())


@click.command("rotate-data")
@data_option
@json_option
@wait_option
@click.option("--org", default=None, help="Id or name of the organization; left out: all of them, one after the other.")
def rotate_data(data: Path | None, as_json: bool, wait_s: float, org: str | None) -> None:
    """
    Exchange the data key of an organization, and encrypt everything anew under the new one, while the appliance runs.

    Safe to repeat: a rotation that was interrupted is completed.
    """
    numbers = run(_rotate_data(data, wait_s, org))
    if as_json:
        print_json({"data_keys": numbers})
        return
    for organization, number in numbers.items():
        click.echo(f"{organization}  data key {number}")


async def _rotate_data(data: Path | None, wait_s: float, org: str | None) -> dict[str, int]:
    async with running_appliance(data) as appliance:
        await check_ledger(appliance, None)
        if org is not None:
            planned: Sequence[UUID] = [await find_organization(appliance, org)]
        else:
            planned = await appliance.rotations.data.plan([one.id for one in await appliance.accounts.organizations()])
        with Meter("encrypting anew", "fields") as meter:
            numbers = {one: await appliance.rotations.data(one, Told(wait_s, meter)) for one in planned}
        if org is None:
            _say_untouched(await appliance.accounts.organizations(), planned)
        return {str(one): number for one, number in numbers.items() if number is not None}


def _say_untouched(organizations: Sequence[Organization], planned: Sequence[UUID]) -> None:
    untouched = [one.name for one in organizations if one.erased_us is None and one.id not in planned]
    if untouched:
        click.echo(
            "governlayer: an interrupted rotation was completed, and none begun for the organizations that were not "
            f"left in it: run it again to rotate {', '.join(untouched)}",
            err=True,
        )


@click.command("rotate-jwt")
@data_option
@json_option
@wait_option
def rotate_jwt(data: Path | None, as_json: bool, wait_s: float) -> None:
    """
    Exchange the secret that signs access tokens, while the appliance runs; nobody is signed out.

    The secret before verifies until the last token of it has expired; a running appliance removes it then by itself.
    Safe to repeat: a rotation that was interrupted is completed.
    """
    left_s = run(_rotate_jwt(data, wait_s))
    if as_json:
        print_json({"accepted_for_seconds": left_s})
    elif left_s:
        click.echo(f"the secret before is accepted for {left_s} more seconds, and is removed then")
    else:
        click.echo("the secret before is removed")


async def _rotate_jwt(data: Path | None, wait_s: float) -> int:
    async with running_appliance(data) as appliance:
        await check_ledger(appliance, None)
        with Meter("rotating", "steps") as meter:
            return await appliance.rotations.jwt(Told(wait_s, meter))


@click.command("rotate-pepper")
@data_option
@json_option
@wait_option
@click.option("--force", is_flag=True, help="Revoke what still needs the old pepper, and remove that now.")
@yes_option
def rotate_pepper(data: Path | None, as_json: bool, wait_s: float, force: bool, yes: bool) -> None:
    """
    Exchange the pepper of fingerprints and passwords, while the appliance runs.

    Indexes and seals are made anew at once; API keys, passwords and sessions when they are used next. Run it again to
    see what still needs the old one, which is removed once nothing does. --force, once a rotation waits for that, says
    how many are left, asks, and revokes them: API keys, recovery codes, sessions and one-time links; users whose
    passwords it was need a new one by letter or link.
    """

    def agreed(uses: Mapping[str, int]) -> None:
        for what, count in uses.items():
            click.echo(f"{count:>8}  {what} still need the pepper before", err=True)
        confirm("Revoke them for ever?", yes=yes)

    remaining = run(_rotate_pepper(data, wait_s, agreed if force else None))
    if as_json:
        print_json({"remaining": dict(remaining)})
        return
    for what, count in remaining.items():
        click.echo(f"{count:>8}  {what} still need the pepper before")
    if not remaining:
        click.echo("the pepper before is removed")


async def _rotate_pepper(data: Path | None, wait_s: float, force: Agreed | None) -> Mapping[str, int]:
    async with running_appliance(data) as appliance:
        await check_ledger(appliance, None)
        with Meter("making anew", "organizations") as meter:
            return await appliance.rotations.pepper(Told(wait_s, meter), force=force)
