"""Which ledgers are closed is known to every replica, outlives a restart, and no failure opens one."""

from uuid import uuid4

import pytest
from governlayer_server.adapters.postgres.database import Database, connect
from governlayer_server.adapters.postgres.ledger_audit import PostgresLedgerAudit
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.adapters.postgres.refusals import PostgresRefusals
from governlayer_server.domain.errors import LedgerRefused, LedgerUnavailable, NotFound
from governlayer_server.domain.ledger.record import SYSTEM, Draft
from governlayer_server.ports.ledger import Append, SealedPayload
from governlayer_server.ports.ledger_audit import StoredPayload
from governlayer_server.ports.refusals import Refusal, Restored

from tests.fakes.clock import FakeClock
from tests.fakes.servers import Servers, address


class Replica:
    """What one process has of the ledgers."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.refusals = PostgresRefusals(database, clock)
        self.ledger = PostgresLedgerStore(database, clock, self.refusals)
        self.audit = PostgresLedgerAudit(database)


def append_to(ledger_id: str, record_type: str = "decision", **options: object) -> Append:
    draft = Draft(type=record_type, actor=SYSTEM, body={})
    return Append(ledger_id=ledger_id, record_id=uuid4(), draft=draft, **options)  # type: ignore[arg-type]


def refusal(ledger_id: str, found_us: int = 1) -> Refusal:
    return Refusal(ledger_id=ledger_id, found_us=found_us, evidence='{"findings":[]}')


@pytest.fixture
def replica(database: Database, clock: FakeClock) -> Replica:
    return Replica(database, clock)


@pytest.fixture
async def ledger_id(replica: Replica) -> str:
    name = f"test-{uuid4()}"
    await replica.ledger.create(name, None, f"test/ledgers/{name}")
    await replica.ledger.append(append_to(name))
    return name


async def test_a_closed_ledger_takes_no_record_and_repeats_no_answer(replica: Replica, ledger_id: str) -> None:
    await replica.refusals.refuse(refusal(ledger_id))
    with pytest.raises(LedgerRefused):
        await replica.ledger.append(append_to(ledger_id))
    with pytest.raises(LedgerRefused):
        await replica.ledger.answer(ledger_id, b"key", 0)
    assert (await replica.ledger.head(ledger_id)).size == 1
    other = f"test-{uuid4()}"
    await replica.ledger.create(other, None, f"test/ledgers/{other}")
    assert (await replica.ledger.append(append_to(other))).record.seq == 0


async def test_another_replica_learns_of_it_and_a_restart_forgets_nothing(
    replica: Replica, database: Database, clock: FakeClock, ledger_id: str
) -> None:
    other = Replica(database, clock)
    await other.refusals.reload()
    await replica.refusals.refuse(refusal(ledger_id))
    other.refusals.require_open(ledger_id)
    await other.refusals.reload()
    with pytest.raises(LedgerRefused):
        other.refusals.require_open(ledger_id)
    assert await other.refusals.of_ledger(ledger_id) == [refusal(ledger_id)]


async def test_a_ledger_stays_closed_where_that_cannot_be_stored(servers: Servers, clock: FakeClock) -> None:
    gone = await connect(address(servers.app))
    refusals = PostgresRefusals(gone, clock)
    await gone.close()
    with pytest.raises(LedgerUnavailable):
        await refusals.refuse(refusal("mine"))
    with pytest.raises(LedgerUnavailable):
        await refusals.reload()
    with pytest.raises(LedgerRefused):
        refusals.require_open("mine")


async def test_what_is_found_here_is_not_forgotten_by_what_is_read(
    replica: Replica, database: Database, clock: FakeClock, ledger_id: str
) -> None:
    """A reload that began before the row was written ends after it."""
    await replica.refusals.refuse(refusal(ledger_id))
    async with database.transaction(ledger_id) as connection:
        await connection.execute("UPDATE ledger_refusal SET lifted_us = 1 WHERE ledger_id = $1", ledger_id)
    await replica.refusals.reload()
    with pytest.raises(LedgerRefused):
        replica.refusals.require_open(ledger_id)


async def test_reopening_appends_the_record_and_opens_for_all(
    replica: Replica, database: Database, clock: FakeClock, ledger_id: str
) -> None:
    await replica.refusals.refuse(refusal(ledger_id))
    await replica.refusals.refuse(refusal(ledger_id, 2))
    other = Replica(database, clock)
    await other.refusals.reload()
    entry = await replica.refusals.reopen(append_to(ledger_id, "restore"), 9)
    assert (entry.record.seq, entry.record.type) == (1, "restore")
    assert await replica.refusals.of_ledger(ledger_id) == []
    assert await replica.refusals.restores(ledger_id) == [Restored(kept=1, lost=9)]
    await other.refusals.reload()
    for one in (replica, other):
        assert (await one.ledger.append(append_to(ledger_id))).record.seq in {2, 3}


async def test_reopening_does_both_or_nothing(replica: Replica, ledger_id: str) -> None:
    await replica.refusals.refuse(refusal(ledger_id))
    with pytest.raises(NotFound):
        await replica.refusals.reopen(append_to(f"test-{uuid4()}", "restore"), 0)
    await replica.refusals.reload()
    with pytest.raises(LedgerRefused):
        await replica.ledger.append(append_to(ledger_id))
    assert await replica.refusals.restores(ledger_id) == []


async def test_rows_are_read_as_they_are_stored(replica: Replica, ledger_id: str) -> None:
    payloads = (SealedPayload(name="content", sealed=b"sealed"),)
    entry = await replica.ledger.append(append_to(ledger_id, payloads=payloads, agent="a", decision="allow"))
    stored = await replica.audit.ledger(ledger_id)
    assert (stored.size, stored.newest_seq, stored.hash) == (2, 1, entry.record.hash)
    (row,) = await replica.audit.rows(ledger_id, 1, 5)
    assert (row.seq, row.agent, row.decision, row.canonical) == (1, "a", "allow", entry.record.canonical)
    assert await replica.audit.rows_of_types(ledger_id, ["erasure"], 0, 1) == []
    assert len(await replica.audit.rows_of_types(ledger_id, ["erasure", "decision"], 0, 1)) == 2
    assert await replica.audit.payloads(ledger_id, 0, 9) == [StoredPayload(seq=1, name="content", sealed=b"sealed")]
    assert await replica.audit.payloads_outside(ledger_id, 9) == []
    with pytest.raises(NotFound):
        await replica.audit.ledger("none")


async def test_payloads_beyond_the_ledger_are_told(replica: Replica, database: Database, ledger_id: str) -> None:
    async with database.transaction(ledger_id) as connection:
        for seq in (-1, 1, 7):
            await connection.execute("INSERT INTO ledger_payload VALUES ($1, $2, 'content', '')", ledger_id, seq)
    assert sorted(await replica.audit.payloads_outside(ledger_id, 9)) == [
        (-1, "content"),
        (1, "content"),
        (7, "content"),
    ]
