"""
What row level security adds to a ledger append: microseconds of the wall clock, one caller, in this process.

Every transaction begins with a round trip that sets its tenant. Here appends with it and without it (on a connection
that has the tenant set for good) take turns, one by one; the figures are medians of the rounds' medians.
The round trip is timed alone too, because an append is mostly the wait for the disk. Arguments:
rounds (7), appends of each kind in a round (300).
"""

import asyncio
import json
import os
import platform
import random
import statistics
import sys
import time

from governlayer_server.adapters.postgres.appending import append_within
from governlayer_server.adapters.postgres.tenancy import SET_TENANT
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.usecases.record_event import event
from governlayer_server.wiring import Appliance
from support.appliance import opened

ROUNDS, APPENDS, WARM = 7, 300, 100
MACHINE = f"{platform.machine()}, {os.cpu_count()} cores"
CLOCK, ENTROPY = SystemClock(), SystemEntropy()
KINDS = ("without", "with")
NAMES = {"without": "append_without_set_config", "with": "append_with_set_config", "set_config": "set_config"}


async def append_us(connection: object, kind: str, taken: dict[str, list[float]]) -> None:
    append = event(CLOCK, ENTROPY, SYSTEM_LEDGER, SYSTEM, "user.changed", {"event": "bench"})
    started = time.perf_counter()
    async with connection.transaction():
        if kind == "with":
            begun = time.perf_counter()
            await connection.execute(SET_TENANT, SYSTEM_LEDGER)
            taken["set_config"].append((time.perf_counter() - begun) * 1e6)
        await append_within(connection, append, CLOCK.now_us)
    taken[kind].append((time.perf_counter() - started) * 1e6)


async def measure(appliance: Appliance, rounds: int, appends: int) -> dict[str, list[float]]:
    medians: dict[str, list[float]] = {name: [] for name in NAMES}
    async with appliance.parts.database.connection() as connection:
        await connection.execute("SELECT set_config('governlayer.tenant', $1, false)", SYSTEM_LEDGER)
        for _ in range(WARM):
            await append_us(connection, "with", {name: [] for name in NAMES})
        for _ in range(rounds):
            taken: dict[str, list[float]] = {name: [] for name in NAMES}
            for _ in range(appends):
                for kind in random.sample(KINDS, len(KINDS)):
                    await append_us(connection, kind, taken)
            for name, values in taken.items():
                medians[name].append(statistics.median(values))
    return medians


async def run(rounds: int, appends: int) -> None:
    async with opened() as (appliance, _):
        medians = await measure(appliance, rounds, appends)
    without = statistics.median(medians["without"])
    for name, values in medians.items():
        value = statistics.median(values)
        line = {
            "bench": "row_security", "metric": NAMES[name], "value": round(value, 1), "unit": "us",
            "baseline": NAMES["without"], "ratio": round(value / without, 3), "machine": MACHINE,
        }  # fmt: skip
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    asyncio.run(run(*given, *(ROUNDS, APPENDS)[len(given) :]))
