"""``governlayer ledger``: dumps and checkpoints, the operator's side."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import click
from msgspec import Struct

from governlayer_server.cli.anchors import cosigned_option, last_cosigned, timestamps
from governlayer_server.cli.common import (
    check_ledger,
    data_option,
    find_ledger,
    json_option,
    ledger_option,
    print_json,
    run,
    running_appliance,
)
from governlayer_server.cli.fsck import accept_restore, fsck
from governlayer_server.cli.ledger_heads import heads
from governlayer_server.cli.ledger_keys import key, keys, retire_key, rotate_key
from governlayer_server.cli.partial_dump import Kept, require_link, write_partly
from governlayer_server.cli.progress import Meter
from governlayer_server.cli.whole_file import write_whole
from governlayer_server.cli.witness import witness
from governlayer_server.domain.errors import ConfigurationError
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES
from governlayer_server.wiring.appliance import Appliance


class Wanted(Struct, frozen=True, kw_only=True):
    """What of which ledger is to be written."""

    data: Path | None
    org: str
    names: tuple[str, ...]
    first: int
    last: int | None
    cosigned: bool


@click.group()
def ledger() -> None:
    """Export ledgers and checkpoints, and check what is stored of them."""


@ledger.command("dump")
@data_option
@ledger_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: stdout]",
)
@click.option("--payloads", default="", metavar="a,b", help=f"Disclose payloads: {', '.join(PAYLOAD_NAMES)}, or all.")
@click.option("--first", type=click.IntRange(min=0), default=0, help="First record.  [default: 0]")
@click.option("--last", type=click.IntRange(min=-1), help="Last record.  [default: the newest]")
@click.option("--resume", is_flag=True, help="Go on with OUTPUT.part if there is one; keep it if interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object (needs --output).")
@cosigned_option
def dump(
    data: Path | None,
    org: str,
    output: Path | None,
    payloads: str,
    first: int,
    last: int | None,
    resume: bool,
    as_json: bool,
    cosigned: bool,
) -> None:
    """Write a ledger, or a range of it, as a dump, for gl-verify. The export is itself recorded."""
    if (as_json or resume) and output is None:
        raise click.UsageError("--json and --resume need --output")
    if cosigned and last is not None:
        raise click.UsageError("--cosigned and --last name two ends")
    names = PAYLOAD_NAMES if payloads == "all" else tuple(name for name in payloads.split(",") if name)
    wanted = Wanted(data=data, org=org, names=names, first=first, last=last, cosigned=cosigned)
    if output is None:
        run(_dump(wanted, sys.stdout.buffer))
        return
    if resume:
        records = write_partly(output, lambda file, kept: run(_dump(wanted, file, kept)))
    else:
        records = write_whole(output, lambda file: run(_dump(wanted, file)))
    if as_json:
        print_json({"file": str(output), "records": records})
    else:
        click.echo(f"wrote {records} records to {output}")
        click.echo(f"check them with: gl-verify {output} --key VKEY", err=True)


async def _dump(wanted: Wanted, file: IO[bytes], kept: Kept | None = None) -> int:
    """Write the dump, or the rest of the one that is kept; return how many records the whole dump has."""
    async with running_appliance(wanted.data) as appliance:
        organization_id = await find_ledger(appliance, wanted.org)
        await check_ledger(appliance, organization_id)
        if kept is not None and kept.origin != (await appliance.read_ledger.state(organization_id)).origin:
            raise ConfigurationError("the dump that was cut off is one of another ledger: begin a new one")
        export = await appliance.export_ledger(
            SYSTEM, organization_id, **await _range(appliance, organization_id, wanted, kept)
        )
        lines = export.lines if kept is None else _continued(export.lines, kept, file)
        with Meter("dump", "records") as meter:
            written = 0
            async for line in lines:
                file.write(line)
                written += line.startswith(b'{"actor":')
                meter.show(written, export.last + 1 - export.start)
        file.flush()
    return export.last + 1 - wanted.first


async def _range(
    appliance: Appliance, organization_id: UUID | None, wanted: Wanted, kept: Kept | None
) -> dict[str, Any]:
    if kept is None:
        last = await last_cosigned(appliance, organization_id) if wanted.cosigned else wanted.last
        return {"first": wanted.first, "last": last, "names": wanted.names}
    names = tuple(sorted(set(wanted.names)))
    if (kept.first, kept.names) != (wanted.first, names) or wanted.last not in {None, kept.last}:
        raise ConfigurationError("the dump that was cut off has another range or other payloads: begin a new one")
    return {"first": kept.first, "last": kept.last, "names": kept.names, "resume_at": kept.seq}


async def _continued(lines: AsyncIterator[bytes], kept: Kept, file: IO[bytes]) -> AsyncIterator[bytes]:
    """Yield *lines* once the first of them has been found to follow what is kept, which alone stays in *file*."""
    first = await anext(lines)
    require_link(kept, first)
    file.seek(kept.end)
    file.truncate()
    yield first
    async for line in lines:
        yield line


@ledger.command("checkpoint")
@data_option
@json_option
@ledger_option
@cosigned_option
def checkpoint(data: Path | None, org: str, as_json: bool, cosigned: bool) -> None:
    """Print the signed checkpoint of a ledger, post-quantum signature too. Keep it elsewhere: it dates the ledger."""
    note = run(_checkpoint(data, org, cosigned))
    if as_json:
        print_json({"checkpoint": note})
    else:
        click.echo(note, nl=False)


async def _checkpoint(data: Path | None, org: str, cosigned: bool) -> str:
    async with running_appliance(data, found=False) as appliance:
        read, ledger_of = appliance.read_ledger, await find_ledger(appliance, org)
        await check_ledger(appliance, ledger_of)
        if cosigned:
            return await read.cosigned_checkpoint(ledger_of)
        return await read.checkpoint_for_keeping(ledger_of, appliance.parts.clock.now_us())


for command in (heads, key, keys, rotate_key, retire_key, fsck, accept_restore, timestamps, witness):
    ledger.add_command(command)
