"""``ports.ledger_keys.LedgerKeyStore``: what every implementation promises."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.ledger_keys import PostgresLedgerKeyStore
from governlayer_server.ports.ledger_keys import Algorithm, KeyState, LedgerKey, LedgerKeyStore
from msgspec.structs import replace

from tests.fakes.ledger_keys import MemoryLedgerKeyStore
from tests.fakes.servers import Servers, address


@pytest.fixture(params=["fake", "real"])
async def store(request: pytest.FixtureRequest, migrated_database: Servers) -> AsyncIterator[LedgerKeyStore]:
    if request.param == "fake":
        yield MemoryLedgerKeyStore()
        return
    database = await connect(address(migrated_database.app))
    yield PostgresLedgerKeyStore(database)
    await database.close()


def key(number: int, state: KeyState = KeyState.ACTIVE, algorithm: Algorithm = Algorithm.ED25519) -> LedgerKey:
    return LedgerKey(
        key_id=f"{number:08x}", algorithm=algorithm, vkey=f"a+{number:08x}+x", wrapped_seed=b"sealed", state=state,
        introduced_us=number,
    )  # fmt: skip


async def test_the_first_key_of_an_algorithm_is_stored_once(store: LedgerKeyStore) -> None:
    first = key(5)
    added = await asyncio.gather(*(store.add_first(replace(first, key_id=str(one), vkey=str(one))) for one in range(6)))
    assert added.count(True) == 1
    assert await store.add_first(key(1, algorithm=Algorithm.ML_DSA_44))
    assert [one.algorithm for one in await store.all()] == [Algorithm.ED25519, Algorithm.ML_DSA_44]


async def test_one_key_of_an_algorithm_enters_service_at_a_time(store: LedgerKeyStore) -> None:
    assert await store.add_first(key(1))
    assert await store.add(key(2, KeyState.INTRODUCING))
    assert not await store.add(key(3, KeyState.INTRODUCING))
    assert await store.add(key(4, KeyState.INTRODUCING, Algorithm.ML_DSA_44))
    assert await store.move("00000002", KeyState.INTRODUCING, KeyState.ACTIVE, 9)
    assert await store.add(key(3, KeyState.INTRODUCING))
    order = [one.key_id for one in await store.all()]
    assert order == ["00000001", "00000002", "00000004", "00000003"], "the oldest first, whatever the clock said"


async def test_a_key_moves_on_from_the_state_it_is_in_and_the_times_are_noted(store: LedgerKeyStore) -> None:
    made = key(1, KeyState.INTRODUCING)
    await store.add(made)
    assert list(await store.all()) == [made]
    assert not await store.move(made.key_id, KeyState.ACTIVE, KeyState.RETIRING, 2)
    assert not await store.move("00000002", KeyState.INTRODUCING, KeyState.ACTIVE, 2)
    assert await store.move(made.key_id, KeyState.INTRODUCING, KeyState.ACTIVE, 3)
    assert list(await store.all()) == [replace(made, state=KeyState.ACTIVE, introduced_us=3)]
    assert await store.move(made.key_id, KeyState.ACTIVE, KeyState.RETIRING, 4)
    assert await store.move(made.key_id, KeyState.RETIRING, KeyState.RETIRED, 5)
    assert not await store.move(made.key_id, KeyState.RETIRING, KeyState.RETIRED, 6)
    assert list(await store.all()) == [replace(made, state=KeyState.RETIRED, introduced_us=3, retired_us=5)]
    assert [one.in_service for one in await store.all()] == [False]
