"""What is kept no longer goes, of each tenant; what is a moment younger stays."""

from typing import Any
from uuid import uuid4

import pytest
from governlayer_server.domain.account import OneTimeToken, Purpose, UsageCount, User
from governlayer_server.domain.organization import Organization
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.sign_in_throttle import FAMILIAR_S
from governlayer_server.domain.stale import KEPT_US, USAGE_KEPT_DAYS, stale_at
from governlayer_server.ports.ledger import Remember
from governlayer_server.usecases.remove_stale import RemoveStale
from msgspec.structs import replace

from tests.contract.conftest import World
from tests.contract.test_account_store import organization, session_of, user_of

DAY_US = 24 * 3600 * 1_000_000
NOW_US = 1_000 * DAY_US
LIMITS = SessionLimits()
BEGAN_US = NOW_US - KEPT_US - LIMITS.absolute_us


@pytest.fixture
def remove(world: World) -> RemoveStale:
    world.clock.advance(NOW_US - world.clock.now_us())
    return RemoveStale(accounts=world.accounts, clock=world.clock, limits=LIMITS, batch=3)


async def founded(world: World) -> tuple[Organization, User]:
    one = organization()
    user = user_of(one)
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.add_organization(one, f"test/ledgers/{one.id}")
        await tenant.users.add(user)
    return one, user


def token_of(tenant: str, expires_us: int, **members: Any) -> OneTimeToken:
    fingerprint = uuid4().bytes
    return OneTimeToken(
        fingerprint=fingerprint, tenant=tenant, purpose=Purpose.FOUND, user_id=None, created_us=0, expires_us=expires_us,
        **members,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("members", "stays"),
    [
        ({"created_us": NOW_US, "ended_us": NOW_US - KEPT_US - 1}, False),
        ({"created_us": NOW_US, "ended_us": NOW_US - KEPT_US}, True),
        ({"created_us": BEGAN_US - 1}, False),
        ({"created_us": BEGAN_US}, True),
        ({"created_us": BEGAN_US - 1, "ended_us": NOW_US}, False),
        ({"created_us": NOW_US}, True),
    ],
)
async def test_sessions_that_were_over_long_ago_go(
    world: World, remove: RemoveStale, members: dict[str, int], *, stays: bool
) -> None:
    one, user = await founded(world)
    session = replace(session_of(user), **members)
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.sessions.add(session)
    await remove()
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.sessions.one(session.id) == (session if stays else None)


@pytest.mark.parametrize("whose", ["organization", "deployment"])
@pytest.mark.parametrize(("expires_us", "used_us"), [(NOW_US - KEPT_US, None), (NOW_US - KEPT_US, 5), (NOW_US, None)])
async def test_one_time_tokens_that_expired_long_ago_go(
    world: World, remove: RemoveStale, whose: str, expires_us: int, used_us: int | None
) -> None:
    one, _ = await founded(world)
    tenant_id, name = (one.id, str(one.id)) if whose == "organization" else (None, "system")
    stays, goes = token_of(name, expires_us), token_of(name, NOW_US - KEPT_US - 1, used_us=used_us)
    async with world.accounts.tenant(tenant_id) as tenant:
        for token in (stays, goes):
            await tenant.tokens.add(token)
    await remove()
    async with world.accounts.tenant(tenant_id) as tenant:
        # Asked as of a time when they had not expired.
        assert await tenant.tokens.find(stays.fingerprint, 0) == stays
        assert await tenant.tokens.find(goes.fingerprint, 0) is None


async def test_addresses_that_are_familiar_no_longer_go(world: World, remove: RemoveStale) -> None:
    one, user = await founded(world)
    since_us = NOW_US - FAMILIAR_S * 1_000_000
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.users.remember_address(user.id, b"old", since_us - 1)
        await tenant.users.remember_address(user.id, b"young", since_us)
    await remove()
    async with world.accounts.tenant(one.id) as tenant:
        assert [await tenant.users.is_familiar(user.id, place, 0) for place in (b"old", b"young")] == [False, True]


async def test_usage_of_long_ago_goes_in_as_many_batches_as_it_takes(world: World, remove: RemoveStale) -> None:
    (one, _), (other, _) = await founded(world), await founded(world)
    today = NOW_US // DAY_US
    days = [*range(today - USAGE_KEPT_DAYS - 10, today - USAGE_KEPT_DAYS + 1), today]
    for tenant_id in (one.id, other.id):
        async with world.accounts.tenant(tenant_id) as tenant:
            counts = [UsageCount(principal_id="p", day=day, outcome="admitted", requests=1, last_us=1) for day in days]
            await tenant.usage.add(counts)
    await remove()
    for tenant_id in (one.id, other.id):
        async with world.accounts.tenant(tenant_id) as tenant:
            assert [one.day for one in await tenant.usage.since(0)] == [today - USAGE_KEPT_DAYS, today]


async def test_a_transaction_removes_a_batch_and_nothing_of_another_tenant(world: World, remove: RemoveStale) -> None:
    (one, user), (other, another) = await founded(world), await founded(world)
    for tenant_id, whose in ((one.id, user), (other.id, another)):
        async with world.accounts.tenant(tenant_id) as tenant:
            for _ in range(5):
                await tenant.sessions.add(session_of(whose))
    async with world.accounts.tenant(one.id) as tenant:
        stale = stale_at(remove.clock.now_us(), LIMITS)
        assert [await tenant.remove_stale(stale, 3) for _ in range(3)] == [3, 2, 0]
    async with world.accounts.tenant(other.id) as tenant:
        assert len(await tenant.sessions.of_user(another.id)) == 5


async def test_kept_answers_go_once_they_have_expired(world: World, remove: RemoveStale) -> None:
    one, _ = await founded(world)
    ledger_id = str(one.id)
    for name, expires_us in ((b"goes", NOW_US - 1), (b"stays", NOW_US), (b"good", NOW_US + 1)):
        kept = Remember(key=name, body=b"b", sealed=b"s", expires_us=expires_us)
        await world.ledger.append(replace(world.append(remember=kept), ledger_id=ledger_id))
    await remove()
    found = {name: await world.ledger.answer(ledger_id, name, 0) is not None for name in (b"goes", b"stays", b"good")}
    assert found == {b"goes": False, b"stays": True, b"good": True}
