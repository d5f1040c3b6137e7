"""``governlayer ledger heads``: is every ledger what the system ledger recorded of it."""

import sys
from pathlib import Path

import click
import msgspec

from governlayer_server.cli.common import data_option, json_option, print_json, run, running_appliance
from governlayer_server.usecases.check_heads import HeadFault


@click.command("heads")
@data_option
@json_option
def heads(data: Path | None, as_json: bool) -> None:
    """Compare all ledgers with the sizes and roots that the system ledger records each hour. Exit 1 if any differs."""
    compared, faults = run(_check(data))
    if as_json:
        print_json({"compared": compared, "faults": [msgspec.to_builtins(one) for one in faults]})
    else:
        for one in faults:
            click.echo(f"{one.head.id}: {one.fault}")
        click.echo(f"{compared} ledgers compared, {len(faults)} differ", err=True)
    if faults:
        sys.exit(1)


async def _check(data: Path | None) -> tuple[int, list[HeadFault]]:
    async with running_appliance(data, found=False) as appliance:
        return await appliance.check_heads()
