"""
A data subject that is named in 1,000 of 100,000 records is erased: how long that takes, and how long others wait.

The records are made through the ledger store, each with a payload that is really encrypted. While the erasure runs, one
writer appends to the same ledger without pause: its longest wait is what the erasure holds the ledger for. Then the
tables of keys are rewritten and the log is let go of, a dump with all payloads is made and verified by `gl-verify` with
the certificate, and `fsck` goes over what is stored. Arguments: records (100,000), of which name the subject (1,000).
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import uvloop
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.export_ledger import PAYLOAD_NAMES, in_chunks
from governlayer_server.usecases.seal_payloads import seal_payloads
from governlayer_server.wiring import Appliance
from support.appliance import opened_on
from support.figures import tell

RECORDS, NAMED = 100_000, 1_000
AT_ONCE = 512
BENCH = "erasure"
Done = TypeVar("Done")
NAME, TEXT = "ann@example.com", json.dumps([{"role": "user", "text": "words " * 60}])


async def append(appliance: Appliance, organization_id: UUID, names: list[str]) -> None:
    """Append one record with a payload, as a decision is."""
    vault, record_id = appliance.parts.vault, uuid4()
    subjects = await vault.subjects(organization_id, names) if names else ()
    payloads, commitments = await seal_payloads(
        vault, appliance.parts.entropy, organization_id, record_id, {"content": TEXT}, subjects
    )
    draft = Draft(type="decision", actor=SYSTEM, body={"n": 1}, commitments=commitments)
    await appliance.ledger.append(
        Append(ledger_id=str(organization_id), record_id=record_id, draft=draft, payloads=payloads, subjects=subjects)
    )


async def fill(appliance: Appliance, organization_id: UUID, records: int, named: int) -> None:
    every = max(1, records // named)
    for start in range(0, records, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, records))
        await asyncio.gather(
            *(append(appliance, organization_id, [NAME] if number % every == 0 else []) for number in numbers)
        )


async def longest_wait_ms(appliance: Appliance, organization_id: UUID, until: asyncio.Event) -> float:
    longest = 0.0
    while not until.is_set():
        began = time.perf_counter()
        await append(appliance, organization_id, [])
        longest = max(longest, time.perf_counter() - began)
    return longest * 1e3


async def beside_a_writer(appliance: Appliance, organization_id: UUID, what: str, work: Awaitable[Done]) -> Done:
    """Do *work*, tell how long it took and how long a writer waited meanwhile, and return what it returns."""
    done = asyncio.Event()
    writer = asyncio.create_task(longest_wait_ms(appliance, organization_id, done))
    await asyncio.sleep(0.5)
    began = time.perf_counter()
    result = await work
    took_ms = (time.perf_counter() - began) * 1e3
    done.set()
    tell(BENCH, what, took_ms, "ms")
    tell(BENCH, f"{what}: longest wait of a writer", await writer, "ms")
    return result


async def verified(appliance: Appliance, organization_id: UUID, certificate: str, place: Path) -> None:
    export = await appliance.export_ledger(SYSTEM, organization_id, names=PAYLOAD_NAMES)
    with (place / "dump").open("wb") as file:
        async for chunk in in_chunks(export.lines):
            file.write(chunk)
    (place / "certificate").write_text(certificate, encoding="utf-8")
    command = [
        Path(sys.executable).with_name("gl-verify"), place / "dump", "--key", appliance.read_ledger.key,
        "--certificate", place / "certificate",
    ]  # fmt: skip
    began = time.perf_counter()
    verdict = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    tell(BENCH, "gl-verify of the dump and the certificate", time.perf_counter() - began, "s")
    tell(BENCH, "its exit status", verdict.returncode, "status")


async def main() -> None:
    records, named = (int(text) for text in (*sys.argv[1:3], *map(str, (RECORDS, NAMED)[len(sys.argv) - 1 :])))
    async with opened_on() as (appliance, _, _):
        organization = await appliance.create_organization("Acme", Plan.ENTERPRISE, "owner@example.com", None)
        began = time.perf_counter()
        await fill(appliance, organization.id, records, named)
        tell(BENCH, f"made {records} records", time.perf_counter() - began, "s")
        work = appliance.erasures.erase.subject(SYSTEM, organization.id, NAME, "GDPR Art. 17(1)(a)")
        erased = await beside_a_writer(appliance, organization.id, "erase", work)
        tell(BENCH, "records erased", erased.erasure.tombstone.records, "records")
        finish = appliance.erasures.finish()
        finished = await beside_a_writer(appliance, organization.id, "tables rewritten and log let go of", finish)
        tell(BENCH, "finished", int(finished), "of 1")
        with tempfile.TemporaryDirectory() as place:
            await verified(appliance, organization.id, erased.certificate, Path(place))


if __name__ == "__main__":
    uvloop.run(main())
