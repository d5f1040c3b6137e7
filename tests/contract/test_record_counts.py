"""``ports.record_counts.RecordCounts``: what every implementation promises."""

import pytest
from governlayer_server.adapters.postgres.record_counts import PostgresRecordCounts
from governlayer_server.domain.record_counts import TypeCount
from governlayer_server.ports.record_counts import RecordCounts

from tests.contract.conftest import World
from tests.fakes.ledger_store import MemoryLedgerStore
from tests.fakes.record_counts import MemoryRecordCounts


@pytest.fixture
def counts(world: World, request: pytest.FixtureRequest) -> RecordCounts:
    if isinstance(world.ledger, MemoryLedgerStore):
        return MemoryRecordCounts(world.ledger)
    return PostgresRecordCounts(request.getfixturevalue("database"))


async def fill(world: World, *types: str) -> list[int]:
    """Append records of these types, a second apart; return their times."""
    await world.make_ledger()
    times = []
    for number, record_type in enumerate(types):
        entry = await world.ledger.append(world.append(number, record_type=record_type))
        times.append(entry.record.time_us)
        world.clock.advance(1_000_000)
    return times


async def test_records_are_counted_by_type_with_their_first_and_last_time(world: World, counts: RecordCounts) -> None:
    times = await fill(world, "decision", "export", "decision", "decision", "erasure")
    assert list(await counts.by_type(world.ledger_id, 0, 99)) == [
        TypeCount(type="decision", count=3, oldest_us=times[0], newest_us=times[3]),
        TypeCount(type="erasure", count=1, oldest_us=times[4], newest_us=times[4]),
        TypeCount(type="export", count=1, oldest_us=times[1], newest_us=times[1]),
    ]


async def test_both_ends_of_the_range_are_in_it(world: World, counts: RecordCounts) -> None:
    times = await fill(world, "a", "b", "b", "a")
    assert list(await counts.by_type(world.ledger_id, 1, 2)) == [
        TypeCount(type="b", count=2, oldest_us=times[1], newest_us=times[2])
    ]
    assert [one.count for one in await counts.by_type(world.ledger_id, 0, 0)] == [1]


async def test_beyond_the_end_and_in_another_ledger_nothing_is_counted(world: World, counts: RecordCounts) -> None:
    await fill(world, "a")
    assert list(await counts.by_type(world.ledger_id, 1, 5)) == []
    world.ledger_id += "-other"
    await world.make_ledger()
    assert list(await counts.by_type(world.ledger_id, 0, 5)) == []
