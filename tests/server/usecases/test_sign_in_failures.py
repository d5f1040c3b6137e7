"""Failed sign-ins stand on the ledger as counts: per user and quarter of an hour, and of no account at all."""

import pytest
from governlayer_server.domain.errors import LedgerUnavailable, NotAuthenticated
from governlayer_server.domain.tenants import SYSTEM_LEDGER
from governlayer_server.usecases.count_sign_in_failures import QUARTER_HOUR_US

from tests.server.usecases.sign_in_world import EMAIL, World


@pytest.fixture
async def world() -> World:
    return await World().start()


async def fail(world: World, email: str = EMAIL, times: int = 3) -> None:
    for number in range(times):
        with pytest.raises(NotAuthenticated):
            await world.sign_in(email=email, password="wrong wrong wrong", address=f"203.0.113.{number}")


async def test_one_record_for_a_user_and_quarter_hour_and_no_address_in_it(world: World) -> None:
    failures = world.made.identity.failures
    await fail(world)
    await failures.flush_due()
    assert await world.events() == []
    world.made.clock.advance(QUARTER_HOUR_US)
    await failures.flush_due()
    await failures.flush_due()
    assert await world.events() == [{"count": 3, "event": "sign_in_failed", "user_id": str(world.user.id)}]


async def test_accounts_that_do_not_exist_are_one_count_in_the_system_ledger(world: World) -> None:
    await fail(world, "nobody@acme.example")
    await fail(world, "noone@acme.example", 2)
    await world.made.identity.failures.flush()
    assert await world.events() == []
    assert await world.events(SYSTEM_LEDGER) == [{"count": 5, "event": "sign_in_failed", "user_id": None}]


async def test_a_disabled_user_is_counted_as_the_user(world: World) -> None:
    world.change_user(disabled_us=1)
    await fail(world, times=1)
    await world.made.identity.failures.flush()
    assert [one["user_id"] for one in await world.events()] == [str(world.user.id)]


async def test_what_cannot_be_written_is_kept(world: World) -> None:
    failures = world.made.identity.failures
    await fail(world)
    world.made.ledger.failure = LedgerUnavailable("away")
    await failures.flush()
    await fail(world, times=1)
    world.made.ledger.failure = None
    await failures.flush()
    await failures.flush()
    assert [one["count"] for one in await world.events()] == [4]
