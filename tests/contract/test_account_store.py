"""``ports.AccountStore``: what every implementation promises."""

from uuid import uuid4

import pytest
from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.account import ApiKey, Organization, User
from governlayer_server.domain.errors import InvalidRequest, NotFound
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.plan import Plan
from msgspec.structs import replace

from tests.contract.conftest import World


def organization(created_us: int = 1) -> Organization:
    return Organization(id=uuid4(), name=f"Org {uuid4()}", plan=Plan.PRO, created_us=created_us)


def owner_of(one: Organization, email_index: bytes | None = None) -> User:
    return User(
        id=uuid4(),
        organization_id=one.id,
        role=Role.OWNER,
        email_sealed=b"sealed",
        email_index=email_index or uuid4().bytes,
        password_hash=None,
        created_us=one.created_us,
    )


async def add(world: World, one: Organization, owner: User | None = None) -> Organization:
    await world.accounts.add_organization(one, owner or owner_of(one), f"test/ledgers/{one.id}")
    return one


def key_of(one: Organization, created_us: int = 1) -> ApiKey:
    return ApiKey(
        id=uuid4(),
        organization_id=one.id,
        name="key",
        prefix="gl_abcd",
        fingerprint=uuid4().bytes,
        scopes=frozenset({Scope.GOVERN, Scope.AUDIT}),
        created_us=created_us,
    )


async def test_an_organization_comes_back_with_its_empty_ledger(world: World) -> None:
    one = await add(world, organization())
    assert await world.accounts.organization(one.id) == one
    head = await world.ledger.head(str(one.id))
    assert (head.size, head.hash) == (0, genesis_hash(f"test/ledgers/{one.id}"))


async def test_organizations_come_oldest_first(world: World) -> None:
    made = [await add(world, organization(created_us)) for created_us in (30, 10, 20)]
    ids = {one.id for one in made}
    assert [one.created_us for one in await world.accounts.organizations() if one.id in ids] == [10, 20, 30]


async def test_a_taken_name_is_refused_and_nothing_of_it_is_stored(world: World) -> None:
    first = await add(world, organization())
    second = Organization(id=uuid4(), name=first.name, plan=Plan.FREE, created_us=2)
    owner = owner_of(second)
    with pytest.raises(InvalidRequest) as refused:
        await add(world, second, owner)
    assert [fault.pointer for fault in refused.value.faults] == ["/name"]
    with pytest.raises(NotFound):
        await world.accounts.organization(second.id)
    third = organization()
    await add(world, third, owner_of(third, owner.email_index))


async def test_a_taken_email_address_is_refused_and_nothing_of_it_is_stored(world: World) -> None:
    first = organization()
    owner = owner_of(first)
    await add(world, first, owner)
    second = organization()
    with pytest.raises(InvalidRequest) as refused:
        await add(world, second, owner_of(second, owner.email_index))
    assert [fault.pointer for fault in refused.value.faults] == ["/owner_email"]
    with pytest.raises(NotFound):
        await world.accounts.organization(second.id)
    with pytest.raises(NotFound):
        await world.ledger.head(str(second.id))
    await add(world, second)


async def test_there_is_no_organization_of_an_unknown_id(world: World) -> None:
    with pytest.raises(NotFound):
        await world.accounts.organization(uuid4())


async def test_keys_come_oldest_first_and_only_those_of_the_organization(world: World) -> None:
    one, other = await add(world, organization()), await add(world, organization())
    for key in (key_of(one, 3), key_of(one, 1), key_of(other, 2), key_of(one, 2)):
        await world.accounts.add_key(key)
    assert [key.created_us for key in await world.accounts.keys(one.id)] == [1, 2, 3]
    assert await world.accounts.keys(uuid4()) == []


async def test_a_key_is_found_by_its_fingerprint_whatever_its_state(world: World) -> None:
    one = await add(world, organization())
    key = replace(key_of(one), expires_us=5, revoked_us=4, seal=b"seal")
    await world.accounts.add_key(key)
    assert await world.accounts.find_key(key.fingerprint) == (key, one)
    assert await world.accounts.find_key(uuid4().bytes) is None
