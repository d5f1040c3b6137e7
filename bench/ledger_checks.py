"""
What a start looks at before it serves: the ends of many ledgers; and fsck, which reads all of one large ledger.

Every ledger is written through the appliance's own appends. Arguments: ledgers (1,000), records of each (256), records
of the large one (20,000).
"""

import asyncio
import sys
import time
from uuid import uuid4

import uvloop
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.record_event import event
from governlayer_server.wiring import Appliance
from support.appliance import opened
from support.figures import tell


async def fill(appliance: Appliance, records: int) -> str:
    """Return the id of a new ledger with *records* records."""
    ledger_id, parts = f"bench-{uuid4()}", appliance.parts
    await appliance.ledger.create(ledger_id, None, f"bench/ledgers/{ledger_id}")
    for start in range(0, records, 1_000):
        appends = [
            event(parts.clock, parts.entropy, ledger_id, SYSTEM, "decision.outcome", {"number": number})
            for number in range(start, min(start + 1_000, records))
        ]
        await asyncio.gather(*map(appliance.ledger.append, appends))
    return ledger_id


async def filled(appliance: Appliance, ledgers: int, records: int) -> list[str]:
    """Return the ids of new ledgers; their first checkpoints are published."""
    ledger_ids = [await fill(appliance, records) for _ in range(ledgers)]
    for ledger_id in ledger_ids:
        await appliance.publish_checkpoints.one(ledger_id)
    return ledger_ids


async def main(ledgers: int, records: int, large: int) -> None:
    async with opened() as (appliance, _):
        ledger_ids = await filled(appliance, ledgers, records)
        started_s, cpu_s = time.perf_counter(), time.process_time()
        closed = await appliance.checks.check(ledger_ids)
        elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        if closed:
            raise SystemExit(f"{closed} are not sound")
        tell("ledger_checks", f"check of {ledgers:,} ledgers of {records} records at a start", elapsed_s, "s")
        tell("ledger_checks", "of it, CPU of the appliance's process", cpu_s, "s")

        ledger_id = await fill(appliance, large)
        started_s = time.perf_counter()
        found = await appliance.checks.fsck(ledger_id, None)
        elapsed_s = time.perf_counter() - started_s
        if not found.is_sound:
            raise SystemExit(f"{found.counts}")
        tell("ledger_checks", f"fsck of {large:,} records", large / elapsed_s, "1/s")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    uvloop.run(main(*given, *(1_000, 256, 20_000)[len(given) :]))
