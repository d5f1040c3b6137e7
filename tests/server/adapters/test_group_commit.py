"""Group commit on real PostgreSQL: several replicas, callers that go away, full queues, and what one of many breaks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from governlayer_server.adapters.postgres import group_commit
from governlayer_server.adapters.postgres.database import Database
from governlayer_server.adapters.postgres.group_commit import GroupCommit
from governlayer_server.adapters.postgres.ledger_store import PostgresLedgerStore
from governlayer_server.domain.errors import (
    LedgerDamaged,
    LedgerFormatError,
    LedgerRefused,
    LedgerUnavailable,
    NotFound,
    Overloaded,
)
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.ledger.proofs import verify_inclusion
from governlayer_server.domain.ledger.record import SYSTEM, Draft, Record
from governlayer_server.domain.ledger.tree import Edge, grow, leaf_hash, root
from governlayer_server.ports.ledger import AnswerExists, Append, Entry, RecordFilter, Remember, SealedPayload
from governlayer_server.ports.refusals import Refusal

from tests.fakes.clock import FakeClock
from tests.fakes.servers import Servers


def append(ledger_id: str, number: int = 0, **values: Any) -> Append:
    draft = values.pop("draft", Draft(type="decision", actor=SYSTEM, body={"number": number}))
    return Append(ledger_id=ledger_id, record_id=uuid4(), draft=draft, **values)


def remember(clock: FakeClock, key: bytes) -> Remember:
    return Remember(key=key, body=b"b" * 32, sealed=b"s", expires_us=clock.time_us + 1_000)


async def ledger(store: PostgresLedgerStore) -> str:
    ledger_id = f"test-{uuid4()}"
    await store.create(ledger_id, None, f"test/ledgers/{ledger_id}")
    return ledger_id


async def assert_whole(store: PostgresLedgerStore, ledger_id: str, size: int) -> Sequence[Record]:
    """One genesis, no gap, no fork, and the head is that of the records."""
    records = await store.records(ledger_id, -1, size + 1, RecordFilter())
    previous, edge = genesis_hash(f"test/ledgers/{ledger_id}"), Edge()
    for seq, record in enumerate(records):
        assert (record.seq, record.prev_hash) == (seq, previous)
        previous, edge = record.hash, grow(edge, leaf_hash(record.canonical))
    head = await store.head(ledger_id)
    assert (len(records), head.hash, head.edge) == (size, previous, edge)
    return records


async def test_sixty_four_writers_of_a_new_ledger_through_four_replicas_find_one_genesis(
    database: Database, clock: FakeClock
) -> None:
    replicas = [PostgresLedgerStore(database, clock) for _ in range(4)]
    ledger_id = await ledger(replicas[0])

    async def write(writer: int) -> list[Entry]:
        return [await replicas[writer % 4].append(append(ledger_id, writer)) for _ in range(4)]

    entries = [one for mine in await asyncio.gather(*map(write, range(64))) for one in mine]
    records = await assert_whole(replicas[0], ledger_id, 256)
    edges = [Edge()]
    for record in records:
        edges.append(grow(edges[-1], leaf_hash(record.canonical)))
    for entry in entries:
        assert records[entry.record.seq] == entry.record
        size = entry.head.size
        assert entry.head.edge == edges[size]
        proof = entry.growth.inclusion_proof(entry.record.seq)
        verify_inclusion(leaf_hash(entry.record.canonical), entry.record.seq, size, proof, root(edges[size]))


async def test_batches_over_many_ledgers_from_two_replicas_never_wait_for_each_other_for_ever(
    database: Database, clock: FakeClock
) -> None:
    replicas = [PostgresLedgerStore(database, clock) for _ in range(2)]
    ledgers = [await ledger(replicas[0]) for _ in range(6)]

    async def write(writer: int) -> None:
        for turn in range(12):
            await replicas[writer % 2].append(append(ledgers[(writer * 5 + turn) % 6], turn))

    await asyncio.gather(*map(write, range(24)))
    for one in ledgers:
        await assert_whole(replicas[1], one, 48)


async def test_what_is_appended_beside_the_queue_is_taken_account_of(database: Database, clock: FakeClock) -> None:
    """Management events are appended within transactions of their own."""
    ours, others = [PostgresLedgerStore(database, clock) for _ in range(2)]
    ledger_id = await ledger(ours)
    for number in range(6):
        await (ours if number % 3 else others).append(append(ledger_id, number))
    await assert_whole(ours, ledger_id, 6)


async def test_a_caller_that_goes_away_does_not_take_its_record_along(database: Database, clock: FakeClock) -> None:
    store = PostgresLedgerStore(database, clock)
    ledger_id = await ledger(store)
    tasks = [asyncio.create_task(store.append(append(ledger_id, number))) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in results) == 5
    await store.append(append(ledger_id, 10))
    await assert_whole(store, ledger_id, 11)


async def test_a_full_queue_refuses_at_once_and_what_waits_is_written(database: Database, clock: FakeClock) -> None:
    group, store = GroupCommit(database, clock, max_waiting=3), PostgresLedgerStore(database, clock)
    ledger_id = await ledger(store)
    results = await asyncio.gather(*(group.append(append(ledger_id, n)) for n in range(8)), return_exceptions=True)
    assert [type(one) for one in results] == [Entry] * 3 + [Overloaded] * 5
    await group.append(append(ledger_id, 8))
    await assert_whole(store, ledger_id, 4)


async def test_nobody_gets_an_error_for_what_another_one_brought(database: Database, clock: FakeClock) -> None:
    store = PostgresLedgerStore(database, clock)
    ledger_id, other = await ledger(store), await ledger(store)
    kept = append(ledger_id, remember=remember(clock, b"known"))
    await store.append(kept)
    huge = Draft(type="decision", actor=SYSTEM, body={"x": "y" * 16_300})
    twice = SealedPayload(name="content", sealed=b"x")
    asked = {
        "good": append(ledger_id, 1),
        "no such ledger": append("none", 2),
        "too long at its place": append(ledger_id, draft=huge),
        "answered": append(ledger_id, 3, remember=remember(clock, b"known")),
        "breaks a constraint": append(ledger_id, 4, payloads=(twice, twice)),
        "not UTF-8 for PostgreSQL": append(other, 5, agent="a\0b"),
        "good too": append(other, 6, remember=remember(clock, b"new")),
        "asked twice": append(other, 7, remember=remember(clock, b"new")),
    }
    results = await asyncio.gather(*map(store.append, asked.values()), return_exceptions=True)
    assert dict(zip(asked, map(type, results), strict=True)) == {
        "good": Entry, "no such ledger": NotFound, "too long at its place": LedgerFormatError,
        "answered": AnswerExists, "breaks a constraint": LedgerUnavailable,
        "not UTF-8 for PostgreSQL": LedgerUnavailable, "good too": Entry, "asked twice": AnswerExists,
    }  # fmt: skip
    exists = results[3]
    assert isinstance(exists, AnswerExists)
    assert exists.answer.record_id == kept.record_id
    await assert_whole(store, ledger_id, 2)
    await assert_whole(store, other, 1)


async def test_a_receipt_that_was_kept_is_the_one_that_was_given(database: Database, clock: FakeClock) -> None:
    store = PostgresLedgerStore(database, clock)
    ledger_id = await ledger(store)
    appends = [append(ledger_id, n, remember=remember(clock, b"%d" % n)) for n in range(5)]
    entries = await asyncio.gather(*map(store.append, appends))
    for number, entry in enumerate(entries):
        stored = await store.answer(ledger_id, b"%d" % number, clock.time_us)
        assert stored is not None
        assert (stored.size, stored.proof) == (entry.head.size, entry.growth.inclusion_proof(entry.record.seq))


async def test_who_waited_for_too_long_is_refused_and_never_written(
    database: Database, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresLedgerStore(database, clock)
    ledger_id = await ledger(store)
    monkeypatch.setattr(group_commit, "_MAX_AGE_S", -1.0)
    with pytest.raises(LedgerUnavailable, match="waited"):
        await store.append(append(ledger_id))
    monkeypatch.undo()
    await assert_whole(store, ledger_id, 0)


async def test_a_lost_connection_fails_those_on_their_way_and_the_next_are_written(
    database: Database, clock: FakeClock, admin: "asyncpg.Connection[Any]"
) -> None:
    store = PostgresLedgerStore(database, clock)
    ledger_id = await ledger(store)
    await store.append(append(ledger_id))
    holder = admin.transaction()
    await holder.start()
    await admin.execute("SELECT FROM ledger WHERE id = $1 FOR UPDATE", ledger_id)
    waiting = asyncio.create_task(store.append(append(ledger_id, 1)))
    ended = 0
    while not ended:
        await asyncio.sleep(0.05)
        ended = await admin.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%ledger_append%' "
            "AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'"
        )
    with pytest.raises(LedgerUnavailable):
        await waiting
    await holder.rollback()
    await store.append(append(ledger_id, 2))
    await assert_whole(store, ledger_id, 2)


@pytest.fixture
async def admin(servers: Servers) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Plain SQL as the superuser, in the database of the tests."""
    connection = await asyncpg.connect(**{**servers.admin.options(), "database": servers.app.database})
    yield connection
    await connection.close()


async def test_a_ledger_that_is_held_delays_the_others_and_fails_alone(
    database: Database, clock: FakeClock, admin: "asyncpg.Connection[Any]"
) -> None:
    store = PostgresLedgerStore(database, clock)
    ledgers = [await ledger(store) for _ in range(5)]
    holder = admin.transaction()
    await holder.start()
    await admin.execute("SELECT FROM ledger WHERE id = $1 FOR UPDATE", ledgers[2])
    results = await asyncio.gather(*(store.append(append(one)) for one in ledgers), return_exceptions=True)
    assert [type(one) for one in results] == [Entry, Entry, LedgerUnavailable, Entry, Entry]
    await holder.rollback()
    await store.append(append(ledgers[2]))
    for one in ledgers:
        await assert_whole(store, one, 1)


async def test_a_ledger_whose_head_is_damaged_fails_alone(
    database: Database, clock: FakeClock, admin: "asyncpg.Connection[Any]"
) -> None:
    store, later = PostgresLedgerStore(database, clock), PostgresLedgerStore(database, clock)
    good, bad = await ledger(store), await ledger(store)
    await asyncio.gather(*(store.append(append(one)) for one in (good, bad)))
    await admin.execute("UPDATE ledger SET size = 3, edge = 'x' WHERE id = $1", bad)
    for replica, size in ((store, 2), (later, 3)):
        results = await asyncio.gather(
            *(replica.append(append(one)) for one in (good, bad, good)), return_exceptions=True
        )
        assert [type(one) for one in results] == [Entry, LedgerDamaged, Entry]
        await assert_whole(store, good, 2 * size - 1)


class Closing:
    """A guard that notes what it is told."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []

    def require_open(self, ledger_id: str) -> None:
        if any(one.ledger_id == ledger_id for one in self.refusals):
            raise LedgerRefused

    async def refuse(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)


async def put_back(store: PostgresLedgerStore, admin: "asyncpg.Connection[Any]", ledger_id: str) -> None:
    """Append two records, and put the ledger back to the first."""
    head = (await store.append(append(ledger_id, 0))).head
    await store.append(append(ledger_id, 1))
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")  # no triggers
        await admin.execute("DELETE FROM ledger_record WHERE ledger_id = $1 AND seq = 1", ledger_id)
        await admin.execute(
            "UPDATE ledger SET size = 1, head_hash = $2, edge = $3 WHERE id = $1",
            ledger_id, head.hash, head.edge.hashes[0],
        )  # fmt: skip


@pytest.mark.parametrize("then", ["nothing", "another record"])
async def test_a_ledger_that_is_put_back_under_a_running_process_is_closed_and_not_signed_for(
    database: Database, clock: FakeClock, admin: "asyncpg.Connection[Any]", then: str
) -> None:
    guard = Closing()
    store, other = PostgresLedgerStore(database, clock, guard), PostgresLedgerStore(database, clock)
    ledger_id, sound = await ledger(store), await ledger(store)
    await put_back(store, admin, ledger_id)
    if then == "another record":
        await other.append(append(ledger_id, 2))
    results = await asyncio.gather(*(store.append(append(one)) for one in (ledger_id, sound)), return_exceptions=True)
    assert [type(one) for one in results] == [LedgerRefused, Entry]
    assert [one.ledger_id for one in guard.refusals] == [ledger_id]
    with pytest.raises(LedgerRefused):
        await store.append(append(ledger_id))
    await assert_whole(store, ledger_id, 1 if then == "nothing" else 2)


class Unstored(Closing):
    """A guard whose refusals cannot be stored."""

    async def refuse(self, refusal: Refusal) -> None:
        await super().refuse(refusal)
        raise LedgerUnavailable("not stored") from asyncpg.QueryCanceledError()


async def test_a_refusal_that_cannot_be_stored_costs_the_others_of_its_batch_nothing(
    database: Database, clock: FakeClock, admin: "asyncpg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresLedgerStore(database, clock, Unstored())
    ledger_id, sound = await ledger(store), await ledger(store)
    await put_back(store, admin, ledger_id)
    commits = 0
    commit = GroupCommit._commit

    async def counted(group: GroupCommit, batch: Any) -> None:
        nonlocal commits
        commits += 1
        await commit(group, batch)

    monkeypatch.setattr(GroupCommit, "_commit", counted)
    results = await asyncio.gather(*(store.append(append(one)) for one in (ledger_id, sound)), return_exceptions=True)
    assert [type(one) for one in results] == [LedgerRefused, Entry]
    await assert_whole(store, sound, 1)
    await store.append(append(sound))
    assert commits == 2, "what was written is not written again"


async def test_however_many_read_slowly_records_are_written(database: Database, clock: FakeClock) -> None:
    store = PostgresLedgerStore(database, clock)
    ledger_id = await ledger(store)

    async def read_slowly() -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT pg_sleep(2)")

    readers = [asyncio.create_task(read_slowly()) for _ in range(20)]
    await asyncio.sleep(0.2)
    async with asyncio.timeout(1.5):
        await store.append(append(ledger_id))
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert {type(one) for one in results} <= {type(None), LedgerUnavailable}
