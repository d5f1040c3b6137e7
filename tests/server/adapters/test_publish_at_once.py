"""Publishing over the real PostgreSQL: many publishers at once, and a process that is killed before it signs."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.crypto.signer import Ed25519Signer, KeysInService, MlDsa44Signer
from governlayer_server.adapters.postgres.checkpoints import PostgresCheckpointStore
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.system import SystemClock, SystemEntropy
from governlayer_server.domain.errors import LedgerDamaged
from governlayer_server.domain.ledger.proofs import verify_consistency
from governlayer_server.domain.ledger.record import SYSTEM
from governlayer_server.usecases.prove_ledger import ProveLedger
from governlayer_server.usecases.publish_checkpoints import PublishCheckpoints
from governlayer_server.usecases.record_event import record_event

from tests.fakes.servers import Servers

ED25519 = Ed25519Signer("gl.example.com", bytes(32))
KEYS = [ED25519, MlDsa44Signer("gl.example.com", bytes(32))]
# Appends a record, and dies where it would sign.
KILLED = """
import asyncio, json, os, signal, sys
from governlayer_server.adapters.postgres.address import PostgresAddress
from governlayer_server.adapters.postgres.database import connect
from tests.server.adapters.test_publish_at_once import publisher, record

class Deadly:
    vkeys = ()
    def sign(self, *_):
        os.kill(os.getpid(), signal.SIGKILL)
    cosign = sign

async def main():
    database = await connect(PostgresAddress(**json.loads(sys.stdin.readline())))
    await record(database, sys.argv[1])
    await publisher(database, Deadly()).one(sys.argv[1])

asyncio.run(main())
"""


def publisher(database: Database, signer: Any = None) -> PublishCheckpoints:
    clock = SystemClock()
    ledger = PostgresLedgerStore(database, clock)
    return PublishCheckpoints(
        ledger=ledger, checkpoints=PostgresCheckpointStore(database), prove=ProveLedger(ledger=ledger),
        signer=signer or KeysInService(KEYS, clock), clock=clock, log=lambda *_, **__: None,
    )  # fmt: skip


async def record(database: Database, ledger_id: str) -> None:
    clock, entropy = SystemClock(), SystemEntropy()
    await record_event(PostgresLedgerStore(database, clock), clock, entropy, ledger_id, SYSTEM, "test", {})


@pytest.fixture
async def ledger_id(database: Database) -> str:
    made = f"test-{uuid4()}"
    await PostgresLedgerStore(database, SystemClock()).create(made, None, f"gl.example.com/ledgers/{made}")
    return made


async def test_four_publishers_and_four_writers_at_once_publish_one_line(database: Database, ledger_id: str) -> None:
    done = asyncio.Event()

    async def publish() -> None:
        mine = publisher(database)
        while not done.is_set():
            await mine.one(ledger_id)

    async def write() -> None:
        for _ in range(25):
            await record(database, ledger_id)

    publishing = [asyncio.create_task(publish()) for _ in range(4)]
    await asyncio.gather(*(write() for _ in range(4)))
    done.set()
    await asyncio.gather(*publishing)
    last = publisher(database)
    newest = await last.one(ledger_id)
    published = await last.checkpoints.after(ledger_id, 0, 1_000)
    assert newest is not None
    assert (published[-1], newest.size) == (newest, 100)
    assert len(published) > 1
    for older, newer in pairwise(published):
        assert newer.extends == older.size
        proof = await last.prove.consistency(ledger_id, older.size, newer.size)
        verify_consistency(older.size, newer.size, older.root, newer.root, proof)
    assert await last.checkpoints.forks(ledger_id) == []


async def test_who_is_killed_before_signing_leaves_nothing_and_the_next_signs_the_same(
    database: Database, servers: Servers, ledger_id: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, ledger_id], input=json.dumps(servers.app.options()) + "\n", text=True, env=environment,
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ours = publisher(database)
    assert (await ours.ledger.head(ledger_id)).size == 1, "the record stands"
    assert await ours.checkpoints.newest(ledger_id) is None
    first, second = await asyncio.gather(ours.one(ledger_id), publisher(database).one(ledger_id))
    assert first is not None
    assert first == second
    text = first.note.partition("\n\n")[0] + "\n"
    assert first.note.startswith(text + "\n" + ED25519.line(text))


async def test_a_history_rewritten_in_the_database_is_refused(
    database: Database, owner_connection: "asyncpg.Connection[Any]", ledger_id: str
) -> None:
    """As who owns the tables would: triggers off, records and head of another ledger in the place of these."""
    other = f"test-{uuid4()}"
    await PostgresLedgerStore(database, SystemClock()).create(other, None, f"gl.example.com/ledgers/{other}")
    for one in (ledger_id, other):
        for _ in range(3):
            await record(database, one)
    ours = publisher(database)
    await ours.one(ledger_id)
    async with owner_connection.transaction():
        await owner_connection.execute(
            "ALTER TABLE ledger_record DISABLE TRIGGER USER; ALTER TABLE ledger DISABLE TRIGGER USER"
        )
        await owner_connection.execute("DELETE FROM ledger_record WHERE ledger_id = $1", ledger_id)
        await owner_connection.execute("UPDATE ledger_record SET ledger_id = $1 WHERE ledger_id = $2", ledger_id, other)
        await owner_connection.execute(
            "UPDATE ledger SET (size, head_hash, head_time_us, edge) = "
            "(SELECT size, head_hash, head_time_us, edge FROM ledger WHERE id = $2) WHERE id = $1", ledger_id, other,
        )  # fmt: skip
        await owner_connection.execute(
            "ALTER TABLE ledger_record ENABLE TRIGGER USER; ALTER TABLE ledger ENABLE TRIGGER USER"
        )
    await record(database, ledger_id)
    with pytest.raises(LedgerDamaged):
        await ours.one(ledger_id)
    assert [one.size for one in await ours.checkpoints.after(ledger_id, 0, 9)] == [3]
    assert [one.published_size for one in await ours.checkpoints.forks(ledger_id)] == [3]
