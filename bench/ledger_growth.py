"""
What the ledger costs when it has grown: appends, receipts and proofs at 10,000 records and at many more, in one run.

The records between are written by the ledger's own statement in batches of 5,000. Sizes are those of the tables with
their indexes. Arguments: records (1,000,000), probes of each kind (500).
"""

import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

import uvloop
from governlayer_server.adapters.postgres.appending import Growing, Placed, lock_heads, write
from governlayer_server.domain.ledger.growth import Growth, Prepared
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.tile_ledger import TileLedger
from governlayer_server.wiring import Appliance
from ledger import draft, ours, run
from support.appliance import opened_on
from support.figures import tell

SMALL, BATCH = 10_000, 5_000
SIZE = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(ARRAY['ledger_record', 'ledger_tile']) AS name"


async def fill(appliance: Appliance, ledger_id: str, size: int) -> None:
    """Append until the ledger has *size* records."""
    prepared = Prepared(draft())
    async with appliance.parts.database.connection() as connection:
        while True:
            async with connection.transaction():
                head = (await lock_heads(connection, [ledger_id]))[ledger_id]
                count = min(BATCH, size - head.size)
                if count <= 0:
                    return
                now_us = appliance.parts.clock.now_us()
                growth = Growth(head, now_us)
                placed = [
                    Placed(Append(ledger_id=ledger_id, record_id=uuid4(), draft=draft()), growth.append(prepared))
                    for _ in range(count)
                ]
                await write(connection, [Growing(ledger_id, growth, placed)], now_us)


async def p50_ms(probes: int, act: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(probes):
        began = time.perf_counter()
        await act()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


async def figures(appliance: Appliance, ledger_id: str, probes: int) -> dict[str, float]:
    """Return what a lonely append, appends of 64 writers, a proof and its root cost as the ledger stands."""
    prove = ProveLedger(ledger=appliance.ledger)
    await TileLedger(ledger=appliance.ledger).one(ledger_id)
    size = (await appliance.ledger.head(ledger_id)).size

    async def inclusion() -> object:
        return await prove.inclusion(ledger_id, random.randrange(size), size)

    async def consistency() -> object:
        return await prove.consistency(ledger_id, random.randrange(1, size), size)

    lonely = await p50_ms(probes, ours(appliance, ledger_id, receipt=True))
    busy = await run(ours(appliance, ledger_id, receipt=True), 64, 3.0)
    return {
        "lonely append, p50": lonely,
        "append of 64 writers": 1000 / busy.per_second,
        "inclusion proof, p50": await p50_ms(probes, inclusion),
        "consistency proof, p50": await p50_ms(probes, consistency),
    }


async def main(records: int, probes: int) -> None:
    async with opened_on() as (appliance, _, _postgres):
        ledger_id = f"bench-{uuid4()}"
        await appliance.ledger.create(ledger_id, None, f"bench/ledgers/{ledger_id}")
        await fill(appliance, ledger_id, SMALL)
        small = await figures(appliance, ledger_id, probes)
        began = time.monotonic()
        await fill(appliance, ledger_id, records)
        print(f"filled to {records:,} records in {time.monotonic() - began:.0f} s", flush=True)
        grown = await figures(appliance, ledger_id, probes)
        async with appliance.parts.database.connection() as connection:
            stored = await connection.fetchval(SIZE)
        size = (await appliance.ledger.head(ledger_id)).size
    for name, value in grown.items():
        tell("ledger_growth", f"{name}, {records:,} records", value, "ms", (f"{SMALL:,} records", small[name]))
    tell("ledger_growth", "stored per record, with indexes and tiles", float(stored) / size, "bytes")


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    uvloop.run(main(*given, *(1_000_000, 500)[len(given) :]))
