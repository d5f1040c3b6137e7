"""``governlayer ledger key``, ``keys``, ``rotate-key`` and ``retire-key``: the keys that sign checkpoints."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click

from governlayer_server.cli.common import (
    Command,
    check_ledgers,
    data_option,
    json_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.cli.progress import Meter
from governlayer_server.domain.times import time_text
from governlayer_server.ports.ledger_keys import Algorithm, LedgerKey
from governlayer_server.usecases.check_ledgers import Progress
from governlayer_server.usecases.rotate_keys import RotateKeys

_Act = Callable[[RotateKeys, Progress], Awaitable[LedgerKey]]


def _algorithm_option(command: Command) -> Command:
    return click.option(
        "--algorithm",
        type=click.Choice([one.value for one in Algorithm]),
        default=Algorithm.ED25519.value,
        show_default=True,
    )(command)


@click.command("key")
@data_option
@json_option
@click.option("--all", "every", is_flag=True, help="Print all keys in service, post-quantum ones too, one a line.")
def key(data: Path | None, as_json: bool, every: bool) -> None:
    """Print the verifier key of the deployment's ledgers. Give it to auditors by another way than the dump."""
    newest, everyone = run(_in_service(data))
    if as_json:
        print_json({"key": newest, "keys": everyone})
    else:
        click.echo("\n".join(everyone) if every else newest)


async def _in_service(data: Path | None) -> tuple[str, list[str]]:
    async with running_appliance(data, found=False) as appliance:
        return appliance.read_ledger.key, appliance.read_ledger.keys


@click.command("keys")
@data_option
@json_option
def keys(data: Path | None, as_json: bool) -> None:
    """List all keys that ever signed the ledgers, oldest first, with their states."""
    found = run(_all(data))
    if as_json:
        print_json({"data": [_shown(one) for one in found]})
        return
    for one in found:
        since = time_text(one.introduced_us)
        until = "" if one.retired_us is None else f" until {time_text(one.retired_us)}"
        click.echo(f"{one.key_id}  {one.algorithm.value:<9}  {one.state.value:<11}  since {since}{until}")


async def _all(data: Path | None) -> Sequence[LedgerKey]:
    async with running_appliance(data, found=False) as appliance:
        return await appliance.rotate_keys.keys.all()


@click.command("rotate-key")
@data_option
@json_option
@_algorithm_option
def rotate_key(data: Path | None, as_json: bool, algorithm: str) -> None:
    """
    Make a new signing key, and introduce it in every ledger. From now on the old key and the new one both sign.

    Safe to repeat: a rotation that was interrupted is completed. Finish it with `retire-key`, once auditors and agents
    know the new key.
    """
    made = run(_act(data, lambda use, told: use.rotate(Algorithm(algorithm), told)))
    if as_json:
        print_json(_shown(made))
        return
    click.echo(made.vkey)
    click.echo("in service beside the old key; give it to auditors, then `governlayer ledger retire-key`", err=True)


@click.command("retire-key")
@data_option
@json_option
@_algorithm_option
@click.option(
    "--now", "at_once", is_flag=True, help="Even if the new key is younger than 2 minutes: for a key that was stolen."
)
def retire_key(data: Path | None, as_json: bool, algorithm: str, at_once: bool) -> None:
    """
    Retire the old signing key: every ledger says so, and it signs no more.

    Before that each ledger gets a checkpoint by both keys, so that who trusts the old one follows to the new one.
    Safe to repeat.
    """
    retired = run(_act(data, lambda use, told: use.retire(Algorithm(algorithm), told, at_once=at_once)))
    if as_json:
        print_json(_shown(retired))
    else:
        click.echo(f"retired: {retired.vkey}")


async def _act(data: Path | None, act: _Act) -> LedgerKey:
    async with running_appliance(data) as appliance:
        await check_ledgers(appliance)
        with Meter("telling ledgers", "ledgers") as meter:
            return await act(appliance.rotate_keys, meter.show)


def _shown(one: LedgerKey) -> dict[str, object]:
    return {
        "algorithm": one.algorithm.value,
        "introduced_at": time_text(one.introduced_us),
        "key": one.vkey,
        "key_id": one.key_id,
        "retired_at": None if one.retired_us is None else time_text(one.retired_us),
        "state": one.state.value,
    }
