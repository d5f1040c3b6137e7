"""
How many durable records a second the ledger takes, and how long each waits: over the number of writers, in one run with
what it is compared with.

    receipt      record, tree, signed checkpoint and a complete receipt for every writer
    record       record and tree, no receipt
    plain chain  lock the head, hash, insert, commit: one transaction a record, as one would write it first
    insert       a single-row INSERT of as many bytes through a pool, no chain
    pgbench      the same INSERT by PostgreSQL's own load generator in C; as many connections as the server admits

All write to one PostgreSQL with fsync, full_page_writes and synchronous_commit on (the appliance refuses any other), on
one ledger, without a pause between a writer's records. Rounds alternate; figures are medians.

Arguments: rounds (5), seconds of each run (3), file of the chart (none).
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from governlayer_server.adapters.embedded.binaries import postgres_program
from governlayer_server.domain.ledger.record import Actor, ActorKind, Draft
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.sign_checkpoint import receipt_for
from governlayer_server.wiring import Appliance
from support.appliance import opened_on
from support.figures import Run, chart, median_of, run_of, tell

WRITERS = (1, 16, 32, 64, 256)
POOL = 16
RESERVED = 16  # of the appliance, and of PostgreSQL for its superuser
ACTOR = Actor(id=str(uuid4()), kind=ActorKind.API_KEY)
BODY = {
    "action": "tool.call", "agent": "agent-1", "decision": "allow", "determined_by": "policy", "enforced": True,
    "findings": [], "mode": "enforce", "obligations": [], "policies_count": 1, "reason_code": "policy_allowed",
    "risk": {"level": "low", "method": "glrs-1", "score": 120}, "scan": "none", "stage": "input",
}  # fmt: skip
COMMITMENTS = {"content": "ab" * 32, "context": "cd" * 32}
BYTES = 780
TABLES = """
CREATE TABLE bench_insert (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, bytes bytea NOT NULL);
CREATE TABLE bench_head (id int PRIMARY KEY, seq bigint NOT NULL, hash bytea NOT NULL);
CREATE TABLE bench_chain (seq bigint PRIMARY KEY, bytes bytea NOT NULL, hash bytea NOT NULL, prev_hash bytea NOT NULL);
INSERT INTO bench_head VALUES (1, 0, '\\x00');
"""
Write = Callable[[], Awaitable[object]]


async def run(write: Write, writers: int, seconds: float) -> Run:
    """Let *writers* write without pause for *seconds*."""
    latencies: list[int] = []
    until = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < until:
            began = time.perf_counter_ns()
            await write()
            latencies.append(time.perf_counter_ns() - began)

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(writers)))
    return run_of(latencies, time.perf_counter() - began)


def draft() -> Draft:
    return Draft(type="decision", actor=ACTOR, body={**BODY, "decision_id": str(uuid4())}, commitments=COMMITMENTS)


def ours(appliance: Appliance, ledger_id: str, *, receipt: bool) -> Write:
    async def write() -> object:
        entry = await appliance.ledger.append(Append(ledger_id=ledger_id, record_id=uuid4(), draft=draft()))
        return receipt_for(appliance.parts.signer, entry) if receipt else entry

    return write


def plain_chain(pool: "asyncpg.Pool[Any]") -> Write:
    async def write() -> None:
        async with pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow("SELECT seq, hash FROM bench_head WHERE id = 1 FOR UPDATE")
            canonical = f'{{"prev_hash":"{row["hash"].hex()}","seq":{row["seq"]}}}'.encode().ljust(BYTES)
            digest = sha256(canonical).digest()
            await connection.execute(
                "INSERT INTO bench_chain VALUES ($1, $2, $3, $4)", row["seq"], canonical, digest, row["hash"]
            )
            await connection.execute("UPDATE bench_head SET seq = $1, hash = $2 WHERE id = 1", row["seq"] + 1, digest)

    return write


def insert(pool: "asyncpg.Pool[Any]") -> Write:
    async def write() -> None:
        await pool.execute("INSERT INTO bench_insert (bytes) VALUES ($1)", b"x" * BYTES)

    return write


async def pgbench(options: dict[str, Any], writers: int, seconds: float) -> Run:
    """Run PostgreSQL's own load generator with the statement of ``insert``."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"INSERT INTO bench_insert (bytes) VALUES (decode(repeat('78', {BYTES}), 'hex'));\n")
        script.flush()
        command = [
            str(postgres_program("pgbench")), "-n", "-M", "prepared", "-f", script.name, "-c", str(writers),
            "-j", str(min(2, writers)), "-T", str(max(1, round(seconds))), "-h", options["host"],
            "-p", str(options["port"]), "-U", options["user"], options["database"],
        ]  # fmt: skip
        environment = {"PGPASSWORD": options["password"]}
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"pgbench: {done.stderr}")
    tps = float(re.search(r"tps = ([0-9.]+)", done.stdout)[1])  # type: ignore[index]
    latency = float(re.search(r"latency average = ([0-9.]+) ms", done.stdout)[1])  # type: ignore[index]
    return Run(tps, latency, latency)


async def measure(rounds: int, seconds: float, file: Path | None) -> None:
    async with opened_on() as (appliance, _, postgres):
        ledger_id = f"bench-{uuid4()}"
        await appliance.ledger.create(ledger_id, None, f"bench/ledgers/{ledger_id}")
        options = postgres.owner.options()
        pool = await asyncpg.create_pool(**options, min_size=POOL, max_size=POOL)
        await pool.execute(TABLES)
        slots = int(await pool.fetchval("SHOW max_connections")) - POOL - RESERVED
        contenders: dict[str, Callable[[int], Awaitable[Run]]] = {
            "receipt": lambda n: run(ours(appliance, ledger_id, receipt=True), n, seconds),
            "record": lambda n: run(ours(appliance, ledger_id, receipt=False), n, seconds),
            "plain chain": lambda n: run(plain_chain(pool), n, seconds),
            "insert": lambda n: run(insert(pool), n, seconds),
            "pgbench": lambda n: pgbench(options, min(n, slots), seconds),
        }
        runs: dict[str, dict[int, list[Run]]] = {name: {n: [] for n in WRITERS} for name in contenders}
        for turn in range(rounds):
            for writers in WRITERS:
                for name in sorted(contenders, reverse=bool(turn % 2)):
                    runs[name][writers].append(await contenders[name](writers))
        await pool.close()
    report({name: {n: median_of(each) for n, each in series.items()} for name, series in runs.items()}, file)


def report(runs: dict[str, dict[int, Run]], file: Path | None) -> None:
    for name, series in runs.items():
        for writers, one in series.items():
            chain, plain = runs["plain chain"][writers].per_second, runs["pgbench"][writers].per_second
            tell("ledger", f"{name}, {writers} writers", one.per_second, "1/s", ("plain chain", chain))
            tell("ledger", f"{name}, {writers} writers", one.per_second, "1/s", ("pgbench", plain))
            tell("ledger", f"{name}, {writers} writers, p50", one.p50_ms, "ms")
            tell("ledger", f"{name}, {writers} writers, p99", one.p99_ms, "ms")
    print(f"\n{'records/s (p50 / p99 ms)':<14}" + "".join(f"{n:>26}" for n in WRITERS))
    for name, series in runs.items():
        cells = [f"{one.per_second:,.0f} ({one.p50_ms:.2f} / {one.p99_ms:.2f})" for one in series.values()]
        print(f"{name:<24}" + "".join(f"{cell:>26}" for cell in cells))
    if file is not None:
        chart(file, "Durable records on one ledger, over concurrent writers", runs)
        print(f"chart: {file}")


if __name__ == "__main__":
    uvloop.run(
        measure(
            int(sys.argv[1]) if len(sys.argv) > 1 else 5,
            float(sys.argv[2]) if len(sys.argv) > 2 else 3.0,
            Path(sys.argv[3]) if len(sys.argv) > 3 else None,
        )
    )
