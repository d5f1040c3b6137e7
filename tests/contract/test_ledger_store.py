"""``ports.ledger.LedgerStore``: what every implementation promises."""

import asyncio
from hashlib import sha256
from uuid import uuid4

import pytest
from governlayer_server.adapters.postgres import ledger_store
from governlayer_server.domain.errors import ConfigurationError, LedgerFormatError, NotFound
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.ledger.record import Draft, Record
from governlayer_server.domain.ledger.tree import Edge, grow, leaf_hash, root
from governlayer_server.ports.ledger import AnswerExists, Append, RecordFilter, Remember, SealedPayload, StoredAnswer

from tests.contract.conftest import ACTOR, World

ALL = RecordFilter()


def remember(world: World, key: bytes = b"k" * 32, body: bytes = b"b" * 32, life_us: int = 1_000) -> Remember:
    return Remember(key=key, body=body, sealed=b"sealed " + body, expires_us=world.clock.time_us + life_us)


async def all_records(world: World) -> list[Record]:
    return list(await world.ledger.records(world.ledger_id, -1, 10_000, ALL))


def assert_one_chain(origin: str, records: list[Record]) -> Edge:
    """No gap, no fork, every hash that of its bytes."""
    previous, edge = genesis_hash(origin), Edge()
    for seq, record in enumerate(records):
        assert record.seq == seq
        assert record.prev_hash == previous
        assert record.hash == sha256(record.canonical).digest()
        assert f'"prev_hash":"{previous.hex()}","seq":{seq},'.encode() in record.canonical
        previous, edge = record.hash, grow(edge, leaf_hash(record.canonical))
    return edge


async def test_an_empty_ledger_stands_at_its_genesis(world: World) -> None:
    head = await world.ledger.head(await world.make_ledger())
    assert (head.origin, head.size, head.hash) == (world.origin, 0, genesis_hash(world.origin))
    assert head.edge == Edge()


async def test_each_record_links_to_the_one_before_and_the_head_follows(world: World) -> None:
    await world.make_ledger()
    for number in range(9):
        world.clock.advance(1)
        entry = await world.ledger.append(world.append(number))
        assert entry.record.seq == number
        assert entry.growth.before.size == number
        assert entry.head.hash == entry.record.hash
        assert entry.head.edge == grow(entry.growth.before.edge, leaf_hash(entry.record.canonical))
        assert await world.ledger.head(world.ledger_id) == entry.head
    edge = assert_one_chain(world.origin, await all_records(world))
    assert root(edge) == root((await world.ledger.head(world.ledger_id)).edge)


async def test_thirty_two_writers_of_one_ledger_leave_no_gap_and_no_fork(world: World) -> None:
    await world.make_ledger()

    async def write(writer: int) -> list[int]:
        return [(await world.ledger.append(world.append(writer * 100 + turn))).record.seq for turn in range(4)]

    seqs = await asyncio.gather(*(write(writer) for writer in range(32)))
    records = await all_records(world)
    assert sorted(seq for mine in seqs for seq in mine) == list(range(128))
    assert all(mine == sorted(mine) for mine in seqs)
    head = await world.ledger.head(world.ledger_id)
    assert assert_one_chain(world.origin, records) == head.edge
    assert head.hash == records[-1].hash


async def test_ledgers_do_not_know_each_other(world: World) -> None:
    await world.make_ledger()
    other = World(ledger=world.ledger, accounts=world.accounts, clock=world.clock)
    await other.make_ledger()
    record_id = uuid4()
    await world.ledger.append(world.append(1, record_id=record_id))
    assert (await world.ledger.head(other.ledger_id)).size == 0
    with pytest.raises(NotFound):
        await world.ledger.place_of(other.ledger_id, record_id)
    with pytest.raises(NotFound):
        await world.ledger.record(other.ledger_id, 0)
    assert (await world.ledger.place_of(world.ledger_id, record_id)).seq == 0


async def test_creating_a_ledger_again_keeps_it_and_another_origin_is_refused(world: World) -> None:
    await world.make_ledger()
    await world.ledger.append(world.append())
    await world.make_ledger()
    assert (await world.ledger.head(world.ledger_id)).size == 1
    with pytest.raises(ConfigurationError):
        await world.ledger.create(world.ledger_id, None, world.origin + "x")


async def test_what_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.ledger.head("none")
    with pytest.raises(NotFound):
        await world.ledger.append(Append(ledger_id="none", record_id=uuid4(), draft=world.draft()))
    await world.make_ledger()
    with pytest.raises(NotFound):
        await world.ledger.record(world.ledger_id, 0)
    with pytest.raises(NotFound):
        await world.ledger.place_of(world.ledger_id, uuid4())


async def test_time_stands_still_when_the_clock_goes_back(world: World) -> None:
    await world.make_ledger()
    first = await world.ledger.append(world.append(0))
    world.clock.advance(-5_000_000)
    second = await world.ledger.append(world.append(1))
    assert second.record.time_us == first.record.time_us


@pytest.mark.parametrize("body", [{"x": 1.5}, {"x": 2**53}, {"x": "\0"}, {"x": "\ud800"}, {"x": "y" * 17_000}])
async def test_a_record_outside_the_format_is_refused_and_nothing_is_appended(
    world: World, body: dict[str, object]
) -> None:
    await world.make_ledger()
    draft = Draft(type="decision", actor=ACTOR, body=body)
    with pytest.raises(LedgerFormatError):
        await world.ledger.append(Append(ledger_id=world.ledger_id, record_id=uuid4(), draft=draft))
    assert (await world.ledger.head(world.ledger_id)).size == 0
    assert (await world.ledger.append(world.append())).record.seq == 0


async def test_an_answer_is_kept_until_it_expires(world: World) -> None:
    await world.make_ledger()
    await world.ledger.append(world.append(0))
    record_id = uuid4()
    entry = await world.ledger.append(world.append(1, record_id=record_id, remember=remember(world)))
    stored = await world.ledger.answer(world.ledger_id, b"k" * 32, world.clock.time_us)
    assert stored == StoredAnswer(
        body=b"b" * 32,
        sealed=b"sealed " + b"b" * 32,
        record_id=record_id,
        size=2,
        proof=entry.growth.inclusion_proof(1),
    )
    assert await world.ledger.answer(world.ledger_id, b"k" * 32, world.clock.time_us + 999) == stored
    assert await world.ledger.answer(world.ledger_id, b"k" * 32, world.clock.time_us + 1_000) is None
    assert await world.ledger.answer(world.ledger_id, b"other", world.clock.time_us) is None


async def test_a_second_append_under_the_same_key_gets_the_first_answer(world: World) -> None:
    await world.make_ledger()
    record_id = uuid4()
    await world.ledger.append(world.append(0, record_id=record_id, remember=remember(world)))
    with pytest.raises(AnswerExists) as exists:
        await world.ledger.append(world.append(1, remember=remember(world, body=b"c" * 32)))
    assert (exists.value.answer.record_id, exists.value.answer.body) == (record_id, b"b" * 32)
    assert (await world.ledger.head(world.ledger_id)).size == 1


async def test_an_expired_key_may_be_used_again(world: World) -> None:
    await world.make_ledger()
    await world.ledger.append(world.append(0, remember=remember(world)))
    world.clock.advance(1_000)
    again = uuid4()
    await world.ledger.append(world.append(1, record_id=again, remember=remember(world, body=b"c" * 32)))
    stored = await world.ledger.answer(world.ledger_id, b"k" * 32, world.clock.time_us)
    assert stored is not None
    assert (stored.record_id, stored.body, stored.size) == (again, b"c" * 32, 2)


async def test_one_key_in_two_ledgers_is_two_keys(world: World) -> None:
    await world.make_ledger()
    other = World(ledger=world.ledger, accounts=world.accounts, clock=world.clock)
    await other.make_ledger()
    for one in (world, other):
        await one.ledger.append(one.append(remember=remember(one)))
    assert (await world.ledger.head(other.ledger_id)).size == 1


async def test_of_many_requests_under_one_key_exactly_one_is_recorded(world: World) -> None:
    await world.make_ledger()
    appends = [world.append(number, remember=remember(world)) for number in range(16)]
    results = await asyncio.gather(*(world.ledger.append(one) for one in appends), return_exceptions=True)
    refused = [one for one in results if isinstance(one, AnswerExists)]
    assert (len(refused), (await world.ledger.head(world.ledger_id)).size) == (15, 1)
    assert len({one.answer.record_id for one in refused}) == 1


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (ALL, [0, 1, 2, 3, 4, 5]),
        (RecordFilter(type="scan"), [1, 4]),
        (RecordFilter(agent="a"), [0, 2, 4]),
        (RecordFilter(decision="deny"), [2, 3]),
        (RecordFilter(agent="a", decision="deny"), [2]),
        (RecordFilter(from_us=2), [2, 3, 4, 5]),
        (RecordFilter(to_us=2), [0, 1]),
        (RecordFilter(from_us=1, to_us=4), [1, 2, 3]),
        (RecordFilter(type="none"), []),
    ],
)
async def test_records_are_filtered(world: World, only: RecordFilter, expected: list[int]) -> None:
    await world.make_ledger()
    for seq, (kind, agent, decision) in enumerate(
        [
            ("decision", "a", "allow"), ("scan", "b", None), ("decision", "a", "deny"),
            ("decision", "b", "deny"), ("scan", "a", None), ("key.created", None, None),
        ]
    ):  # fmt: skip
        world.clock.time_us = seq
        await world.ledger.append(world.append(seq, record_type=kind, agent=agent, decision=decision))
    found = await world.ledger.records(world.ledger_id, -1, 100, only)
    assert [record.seq for record in found] == expected


async def test_records_come_in_pages(world: World) -> None:
    await world.make_ledger()
    for number in range(5):
        await world.ledger.append(world.append(number))
    pages = [await world.ledger.records(world.ledger_id, after, 2, ALL) for after in (-1, 1, 3, 4)]
    assert [[record.seq for record in page] for page in pages] == [[0, 1], [2, 3], [4], []]


async def test_a_stream_has_the_records_in_order_with_the_payloads_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_store, "_CHUNK", 3)
    await world.make_ledger()
    for number in range(8):
        payloads = tuple(SealedPayload(name=name, sealed=f"{name}{number}".encode()) for name in ("c", "b_", "ba"))
        await world.ledger.append(world.append(number, payloads=payloads if number % 2 else ()))
    stored = [one async for one in world.ledger.stream(world.ledger_id, 1, 6, ["c", "ba", "missing"])]
    assert [one.record.seq for one in stored] == [1, 2, 3, 4, 5, 6]
    assert [[(p.name, p.sealed) for p in one.payloads] for one in stored[:3]] == [
        [("ba", b"ba1"), ("c", b"c1")],
        [],
        [("ba", b"ba3"), ("c", b"c3")],
    ]
    for one in stored:
        assert await world.ledger.place_of(world.ledger_id, one.record_id) == one.record
        assert await world.ledger.record(world.ledger_id, one.record.seq) == one.record


async def test_a_stream_without_names_has_no_payloads_and_an_empty_range_has_nothing(world: World) -> None:
    await world.make_ledger()
    payload = SealedPayload(name="content", sealed=b"x")
    await world.ledger.append(world.append(payloads=(payload,)))
    assert [one.payloads async for one in world.ledger.stream(world.ledger_id, 0, 0, [])] == [()]
    assert [one async for one in world.ledger.stream(world.ledger_id, 0, -1, ["content"])] == []


async def test_a_cancelled_append_leaves_the_ledger_usable(world: World) -> None:
    await world.make_ledger()
    for delay_s in (0.0, 0.0005, 0.001, 0.002, 0.004):
        task = asyncio.create_task(world.ledger.append(world.append()))
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await world.ledger.append(world.append(99))
    records = await all_records(world)
    assert assert_one_chain(world.origin, records) == (await world.ledger.head(world.ledger_id)).edge
