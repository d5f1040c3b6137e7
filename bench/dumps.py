"""
A dump of the ledger: records a second, and the memory of the process that makes and writes it, at two lengths.

The export is the one behind `governlayer ledger dump` and `GET /v1/ledger/dump`, in this process, written to a file;
reading the records alone, without making a dump of them, is the baseline. Memory is what is resident beyond what was
before the dump began, at its highest. Arguments: records (500,000), rounds (3).
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import uvloop
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.export_ledger import in_chunks
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.wiring import Appliance
from ledger_growth import fill
from support.appliance import opened_on
from support.figures import tell

RECORDS, ROUNDS = 500_000, 3
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE / 2**20


async def written(chunks: AsyncIterator[bytes]) -> float:
    """Write *chunks* to a file; return by how many MiB the process grew meanwhile."""
    before = highest = resident_mib()
    with tempfile.TemporaryFile() as file:
        async for chunk in chunks:
            file.write(chunk)
            highest = max(highest, resident_mib())
    return highest - before


async def dump(appliance: Appliance, organization_id: UUID, records: int) -> tuple[float, float, float]:
    """Return records a second, records a second of this process's own work (PostgreSQL's apart), and MiB."""
    began, worked = time.perf_counter(), time.process_time()
    export = await appliance.export_ledger(SYSTEM, organization_id, last=records - 1)
    grown = await written(in_chunks(export.lines))
    return records / (time.perf_counter() - began), records / (time.process_time() - worked), grown


async def read(appliance: Appliance, organization_id: UUID, records: int) -> float:
    """Return records a second of reading alone."""
    began = time.perf_counter()
    async for _ in appliance.ledger.stream(str(organization_id), 0, records - 1, ()):
        pass
    return records / (time.perf_counter() - began)


async def main(records: int, rounds: int) -> None:
    async with opened_on() as (appliance, _, _postgres):
        organization_id = uuid4()
        ledger_id = str(organization_id)
        await appliance.ledger.create(ledger_id, None, f"bench/ledgers/{ledger_id}")
        await fill(appliance, ledger_id, records)
        await TileLedger(ledger=appliance.ledger).one(ledger_id)
        for length in (records // 5, records):
            runs, reads = [], []
            for _ in range(rounds):
                runs.append(await dump(appliance, organization_id, length))
                reads.append(await read(appliance, organization_id, length))
            rate, own, mib = (statistics.median(column) for column in zip(*runs, strict=True))
            tell(
                "dumps", f"export of {length:,} records", rate, "records/s", ("reading alone", statistics.median(reads))
            )
            tell("dumps", f"export of {length:,} records, by CPU time of this process", own, "records/s")
            tell("dumps", f"memory of the export of {length:,} records", mib, "MiB")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    uvloop.run(main(*given, *(RECORDS, ROUNDS)[len(given) :]))
