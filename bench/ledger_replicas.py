"""
Two server processes that write to one ledger, against one process with as many writers; rounds alternate.

Each process opens the appliance by itself and has a queue and a connection of its own, as a replica has. At the end the
ledger is read back: one chain without gap or fork. Arguments: rounds (5), seconds of each run (4), writers in all (64).
"""

import asyncio
import statistics
import sys
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import uvloop
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.cli.common import embedded_settings
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.wiring import Appliance, open_appliance
from ledger import ours, run
from support.appliance import opened_on
from support.figures import tell


async def replica(data: str, ledger_id: str, writers: int, seconds: float) -> None:
    """Write as one process does, once told to begin; print how many records a second."""
    async with open_appliance(embedded_settings(DataDirectory.open(Path(data)))) as appliance:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print((await run(ours(appliance, ledger_id, receipt=True), writers, seconds)).per_second, flush=True)


async def together(data: Path, ledger_id: str, count: int, writers: int, seconds: float) -> float:
    """Return how many records a second *count* processes write in all, with *writers* shared among them."""
    arguments = ["--replica", str(data), ledger_id, str(writers // count), str(seconds)]
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, __file__, *arguments, stdin=pipe, stdout=pipe)
        for _ in range(count)
    ]
    for one in processes:
        assert one.stdout is not None
        await one.stdout.readline()
    done = await asyncio.gather(*(one.communicate(b"go\n") for one in processes))
    return sum(float(out) for out, _ in done)


async def require_chain(appliance: Appliance, ledger_id: str) -> int:
    """Return the size of the ledger, which must be one chain."""
    head = await appliance.ledger.head(ledger_id)
    previous, size = genesis_hash(head.origin), 0
    async for stored in appliance.ledger.stream(ledger_id, 0, head.size - 1, ()):
        if stored.record.seq != size or stored.record.prev_hash != previous:
            raise SystemExit(f"the chain breaks at {size}")
        previous, size = sha256(stored.record.canonical).digest(), size + 1
    if (size, previous) != (head.size, head.hash):
        raise SystemExit("the head is not that of the records")
    return size


async def main(rounds: int, seconds: float, writers: int) -> None:
    async with opened_on() as (appliance, settings, _):
        ledger_id = f"bench-{uuid4()}"
        await appliance.ledger.create(ledger_id, None, f"bench/ledgers/{ledger_id}")
        data = settings.policies.parent.parent
        found: dict[int, list[float]] = {1: [], 2: []}
        for turn in range(rounds):
            for count in sorted(found, reverse=bool(turn % 2)):
                found[count].append(await together(data, ledger_id, count, writers, seconds))
        size = await require_chain(appliance, ledger_id)
    one, two = (statistics.median(found[count]) for count in (1, 2))
    tell("ledger_replicas", f"one process, {writers} writers", one, "1/s")
    tell("ledger_replicas", f"two processes, {writers} writers in all", two, "1/s", ("one process", one))
    print(f"{size:,} records, one chain: no gap, no fork")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--replica"]:
        uvloop.run(replica(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
    else:
        given = [float(text) for text in sys.argv[1:]]
        rounds, seconds, writers = [*given, *(5, 4.0, 64)[len(given) :]]
        uvloop.run(main(int(rounds), seconds, int(writers)))
