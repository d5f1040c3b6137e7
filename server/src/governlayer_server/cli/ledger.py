"""``governlayer ledger``: dumps and checkpoints, the operator's side."""

import sys
from pathlib import Path
from typing import BinaryIO

import click

from governlayer_server.cli.common import data_option, print_json, run, running_appliance
from governlayer_server.cli.keys import find_organization
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES

_PROGRESS_LINES = 5_000


@click.group()
def ledger() -> None:
    """Export ledgers and checkpoints."""


@ledger.command("dump")
@data_option
@click.option("--org", required=True, help="Id or name of the organization.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: stdout]",
)
@click.option("--payloads", default="", metavar="a,b", help=f"Disclose payloads: {', '.join(PAYLOAD_NAMES)}, or all.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object (needs --output).")
def dump(data: Path | None, org: str, output: Path | None, payloads: str, as_json: bool) -> None:  # click's
    """Write the whole ledger of an organization as a dump, for gl-verify. The export is itself recorded."""
    if as_json and output is None:
        raise click.UsageError("--json needs --output")
    names = PAYLOAD_NAMES if payloads == "all" else tuple(name for name in payloads.split(",") if name)
    if output is None:
        run(_dump(data, org, names, sys.stdout.buffer))
        return
    partial = output.with_name(output.name + ".partial")
    with partial.open("wb") as file:
        records = run(_dump(data, org, names, file))
    partial.replace(output)
    if as_json:
        print_json({"file": str(output), "records": records})
    else:
        click.echo(f"wrote {records} records to {output}")
        click.echo(f"check them with: gl-verify {output} --key VKEY", err=True)


async def _dump(data: Path | None, org: str, names: tuple[str, ...], file: BinaryIO) -> int:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        export = await appliance.export_ledger(SYSTEM, organization_id, names=names)
        total, written = export.last + 1, 0
        async for line in export.lines:
            file.write(line)
            written += line.startswith(b'{"actor":')
            if written % _PROGRESS_LINES == 0 and written and sys.stderr.isatty():
                click.echo(f"\r{written} of {total} records", nl=False, err=True)
        file.flush()
    return written


@ledger.command("checkpoint")
@data_option
@click.option("--org", required=True, help="Id or name of the organization.")
def checkpoint(data: Path | None, org: str) -> None:
    """Print the signed checkpoint of an organization's ledger. Keep it elsewhere: it dates the ledger."""
    click.echo(run(_checkpoint(data, org)), nl=False)


async def _checkpoint(data: Path | None, org: str) -> str:
    async with running_appliance(data) as appliance:
        return await appliance.read_ledger.checkpoint(await find_organization(appliance, org))


@ledger.command("key")
@data_option
def key(data: Path | None) -> None:
    """Print the verifier key of the deployment's ledgers. Give it to auditors by another way than the dump."""
    click.echo(run(_key(data)))


async def _key(data: Path | None) -> str:
    async with running_appliance(data) as appliance:
        return appliance.read_ledger.key
