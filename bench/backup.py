"""
A deployment of many decisions is backed up while it runs, verified without a database, and restored to another place.

The decisions are made through the ledger store, each with an encrypted payload; every tenth names one of 1,000 data
subjects. Each step is the command of `governlayer` as a process of its own, run once: minutes, bytes, megabytes of the
backup a second, and the most memory that the process had, of which Argon2id takes 256 MiB. Arguments: decisions
(100,000).
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

import uvloop
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.domain.plan import Plan
from governlayer_server.ports.ledger import Append
from governlayer_server.usecases.seal_payloads import seal_payloads
from governlayer_server.wiring import Appliance
from support.appliance import opened_on
from support.figures import tell

DECISIONS, AT_ONCE, SUBJECTS = 100_000, 512, 1_000
BENCH, PASSPHRASE = "backup", "correct horse battery staple"
GOVERNLAYER = Path(sys.executable).parent / "governlayer"
TEXT = json.dumps([{"role": "user", "text": "words " * 60}])


async def append(appliance: Appliance, organization_id: UUID, number: int) -> None:
    vault, record_id = appliance.parts.vault, uuid4()
    names = [f"subject-{number // 10 % SUBJECTS}"] if number % 10 == 0 else []
    subjects = await vault.subjects(organization_id, names) if names else ()
    payloads, commitments = await seal_payloads(
        vault, appliance.parts.entropy, organization_id, record_id, {"content": TEXT}, subjects
    )
    body = {"agent": "bench", "decision": "allow", "decision_id": str(record_id), "n": number}
    await appliance.ledger.append(
        Append(
            ledger_id=str(organization_id),
            record_id=record_id,
            draft=Draft(type="decision", actor=SYSTEM, body=body, commitments=commitments),
            payloads=payloads,
            agent="bench",
            decision="allow",
            subjects=subjects,
        )
    )


def command(place: Path, *arguments: str | Path) -> tuple[dict[str, object], float, float]:
    """Run `governlayer …`; return what it printed, the seconds it took, and the MiB it had at its most."""
    environment = {**os.environ, "GOVERNLAYER_BACKUP_PASSPHRASE": PASSPHRASE}
    began = time.perf_counter()
    with (place / "out").open("wb") as out:
        process = subprocess.Popen([GOVERNLAYER, *arguments, "--json"], stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, arguments
    return json.loads((place / "out").read_bytes()), time.perf_counter() - began, usage.ru_maxrss / 1024


def show(step: str, decisions: int, size: int, seconds: float, mib: float) -> None:
    what = f"{step} of {decisions:,} decisions"
    tell(BENCH, what, seconds / 60, "minutes")
    tell(BENCH, what, size / 2**20 / seconds, "MiB/s")
    tell(BENCH, f"{what}, memory", mib, "MiB")


async def main(decisions: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gl-bench-backup-") as name:
        place = Path(name)
        os.chmod(place, 0o755)  # noqa: PTH101  # for the servers' own user
        to, new = place / "backups", place / "new"
        async with opened_on() as (appliance, settings, _):
            organization = await appliance.create_organization("Bench", Plan.ENTERPRISE, "bench@example.com", None)
            for start in range(0, decisions, AT_ONCE):
                numbers = range(start, min(start + AT_ONCE, decisions))
                await asyncio.gather(*(append(appliance, organization.id, number) for number in numbers))
            data = settings.policies.parent.parent
            made, seconds, mib = await asyncio.to_thread(command, place, "backup", "--data", data, "--to", to)
        size = sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
        tell(BENCH, f"size of the backup of {decisions:,} decisions", size / 2**20, "MiB")
        show("backup", decisions, size, seconds, mib)
        verified, seconds, mib = command(place, "backup", "verify", "--from", to)
        assert verified["ledgers"] == made["ledgers"]
        show("verification", decisions, size, seconds, mib)
        restored, seconds, mib = command(place, "restore", "--from", to, "--data", new)
        assert (restored["closed"], restored["rows"]) == ([], made["rows"])
        show("restore", decisions, size, seconds, mib)


if __name__ == "__main__":
    uvloop.run(main(*[int(text) for text in sys.argv[1:]] or [DECISIONS]))
