"""What outsiders said of a ledger's checkpoints: the operator's side."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import click

from governlayer_server.cli.common import (
    Command,
    data_option,
    find_ledger,
    json_option,
    ledger_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.ledger.note import parse_checkpoint
from governlayer_server.usecases.read_timestamps import StampedCheckpoint
from governlayer_server.wiring import Appliance


def cosigned_option(command: Command) -> Command:
    """Add ``--cosigned``."""
    return click.option(
        "--cosigned", is_flag=True, help="Up to the newest checkpoint that a witness cosigned, and not further."
    )(command)


async def last_cosigned(appliance: Appliance, organization_id: UUID | None) -> int:
    """
    Return the seq of the last record under the newest cosigned checkpoint.

    Raises:
        NotFound: none was cosigned.
    """
    return parse_checkpoint(await appliance.read_ledger.cosigned_checkpoint(organization_id)).size - 1


@click.command()
@data_option
@json_option
@ledger_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Directory to write to; made if it is missing.",
)
def timestamps(data: Path | None, org: str, as_json: bool, output: Path) -> None:
    """
    Write the time stamps (RFC 3161) of a ledger's checkpoints, three files for each.

    SIZE.note is the signed checkpoint, SIZE.txt the part of it that is stamped, SIZE.tsr the stamp. An auditor checks
    one with: openssl ts -verify -data SIZE.txt -in SIZE.tsr -CAfile CA; or with a dump of the ledger: gl-verify DUMP
    --checkpoint SIZE.note --timestamp SIZE.tsr --tsa-ca CA
    """
    stamped = run(_stamped(data, org))
    _write(stamped, output)
    if as_json:
        print_json({"directory": str(output), "timestamps": len(stamped)})
    else:
        click.echo(f"wrote {len(stamped)} time stamps to {output}")


async def _stamped(data: Path | None, org: str) -> list[StampedCheckpoint]:
    async with running_appliance(data, found=False) as appliance:
        organization_id = await find_ledger(appliance, org)
        return [one async for one in appliance.read_timestamps(organization_id)]


def _write(stamped: Sequence[StampedCheckpoint], output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        for one in stamped:
            (output / f"{one.size}.note").write_text(one.note, encoding="utf-8")
            (output / f"{one.size}.txt").write_text(one.text, encoding="utf-8")
            (output / f"{one.size}.tsr").write_bytes(one.token)
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}") from None
