"""``governlayer subject-export``: what a data subject may ask for, the operator's side."""

import sys
from pathlib import Path
from typing import IO

import click

from governlayer_server.cli.common import (
    check_ledger,
    data_option,
    find_organization,
    org_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.cli.progress import Meter
from governlayer_server.cli.whole_file import write_whole
from governlayer_server.domain.ledger.record import SYSTEM


@click.command("subject-export")
@data_option
@org_option
@click.option("--data-subject", required=True, metavar="S", help="Whose data, as decisions name it.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write.  [default: stdout]"
)
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object (needs --output).")
def subject_export(data: Path | None, org: str, data_subject: str, output: Path | None, as_json: bool) -> None:
    """Write all that the ledger holds of a data subject, as JSON lines. The export is itself recorded."""
    if output is None:
        if as_json:
            raise click.UsageError("--json needs --output")
        run(_export(data, org, data_subject, sys.stdout.buffer))
        return
    records = write_whole(output, lambda file: run(_export(data, org, data_subject, file)))
    if as_json:
        print_json({"file": str(output), "records": records})
    else:
        click.echo(f"wrote {records} records to {output}")


async def _export(data: Path | None, org: str, data_subject: str, file: IO[bytes]) -> int:
    async with running_appliance(data) as appliance:
        organization_id = await find_organization(appliance, org)
        await check_ledger(appliance, organization_id)
        export = await appliance.holds.export_subject(SYSTEM, organization_id, data_subject)
        with Meter("subject export", "records") as meter:
            written = -1  # the header is no record
            async for line in export.lines:
                file.write(line)
                written += 1
                meter.show(min(written, export.records), export.records)
        file.flush()
    return export.records
