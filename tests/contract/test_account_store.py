"""``ports.accounts.AccountStore``: what every implementation promises."""

from uuid import UUID, uuid4

import pytest
from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.account import (
    ApiKey,
    KeyEvent,
    OneTimeToken,
    Purpose,
    Session,
    UsageCount,
    User,
)
from governlayer_server.domain.errors import InvalidRequest, NotFound
from governlayer_server.domain.ledger.chain import genesis_hash
from governlayer_server.domain.organization import DataClassDays, Organization, OrganizationSettings, StorePayloads
from governlayer_server.domain.plan import Plan
from msgspec.structs import replace

from tests.contract.conftest import ACTOR, World


def organization(created_us: int = 1, **members: object) -> Organization:
    made = Organization(id=uuid4(), name=f"Org {uuid4()}", plan=Plan.PRO, created_us=created_us)
    return replace(made, **members)


def user_of(one: Organization, created_us: int = 1, **members: object) -> User:
    made = User(
        id=uuid4(),
        organization_id=one.id,
        role=Role.OWNER,
        email_sealed=b"sealed",
        email_index=uuid4().bytes,
        password_hash=None,
        created_us=created_us,
    )
    return replace(made, **members)


def key_of(one: Organization, created_us: int = 1, **members: object) -> ApiKey:
    made = ApiKey(
        id=uuid4(),
        organization_id=one.id,
        name="key",
        prefix="gl_abcd",
        fingerprint=uuid4().bytes,
        scopes=frozenset({Scope.GOVERN, Scope.AUDIT}),
        created_us=created_us,
    )
    return replace(made, **members)


def session_of(user: User, created_us: int = 1) -> Session:
    return Session(
        id=uuid4(),
        organization_id=user.organization_id,
        user_id=user.id,
        created_us=created_us,
        seen_us=created_us,
        authenticated_us=created_us,
    )


async def add(world: World, one: Organization, *users: User, keys: tuple[ApiKey, ...] = ()) -> Organization:
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.add_organization(one, f"test/ledgers/{one.id}")
        for user in users:
            await tenant.users.add(user)
        for key in keys:
            await tenant.keys.add(key)
    return one


async def test_an_organization_comes_back_with_its_empty_ledger(world: World) -> None:
    days = DataClassDays(findings=30)
    settings = OrganizationSettings(retention_days=200, retention=days, retention_reason="GDPR Art. 5(1)(e)")
    one = await add(world, organization(closed_us=5, settings=settings))
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.organization() == one
    head = await world.ledger.head(str(one.id))
    assert (head.size, head.hash) == (0, genesis_hash(f"test/ledgers/{one.id}"))


async def test_organizations_come_oldest_first_for_the_operator(world: World) -> None:
    made = [await add(world, organization(created_us)) for created_us in (30, 10, 20)]
    found = [one for one in await world.accounts.organizations() if one.id in {one.id for one in made}]
    assert found == sorted(made, key=lambda one: one.created_us)


async def test_an_organization_is_changed_but_for_id_and_creation(world: World) -> None:
    one = await add(world, organization())
    settings = OrganizationSettings(store_payloads=StorePayloads.NONE)
    changed = replace(one, name="New", plan=Plan.FREE, settings=settings, closed_us=9)
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.organization(lock=True)
        await tenant.save_organization(changed)
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.organization() == changed
    assert world.forgotten == [one.id]


async def test_there_is_no_organization_of_an_unknown_id(world: World) -> None:
    for unknown in (uuid4(), None):
        async with world.accounts.tenant(unknown) as tenant:
            with pytest.raises(NotFound):
                await tenant.organization()


async def test_a_transaction_that_fails_changes_nothing_and_records_nothing(world: World) -> None:
    one = organization()
    await add(world, one, user_of(one))
    key, now = key_of(one), world.clock.now_us()

    async def fail() -> None:
        async with world.accounts.tenant(one.id) as tenant:
            await tenant.keys.add(key)
            await tenant.save_organization(replace(one, name="other"))
            await tenant.record(replace(world.append(), ledger_id=str(one.id)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.keys.all() == []
        assert await tenant.organization() == one
    assert (await world.ledger.head(str(one.id))).size == 0
    assert world.forgotten == []
    assert await world.accounts.organization_of_key(key.fingerprint) is None
    assert now


async def test_a_change_and_its_records_in_both_ledgers_are_durable_together(world: World) -> None:
    one = await add(world, organization())
    await world.ledger.create("system", None, "test/ledgers/system")
    before = (await world.ledger.head("system")).size
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.record(replace(world.append(1), ledger_id=str(one.id)))
        await tenant.record(replace(world.append(2), ledger_id="system"))
        await tenant.record(replace(world.append(3), ledger_id=str(one.id)))
        assert await tenant.organization() == one, "the tenant is what it was"
    assert (await world.ledger.head(str(one.id))).size == 2
    assert (await world.ledger.head("system")).size == before + 1


async def test_a_taken_email_address_is_refused_and_nothing_of_it_is_stored(world: World) -> None:
    first, second = organization(), organization()
    taken = user_of(first)
    await add(world, first, taken)
    with pytest.raises(InvalidRequest) as refused:
        await add(world, second, user_of(second, email_index=taken.email_index))
    assert [fault.pointer for fault in refused.value.faults] == ["/email"]
    async with world.accounts.tenant(second.id) as tenant:
        with pytest.raises(NotFound):
            await tenant.organization()
    with pytest.raises(NotFound):
        await world.ledger.head(str(second.id))
    await add(world, second)


async def test_users_are_found_changed_and_removed(world: World) -> None:
    one = organization()
    users = [user_of(one, created_us) for created_us in (3, 1, 2)]
    await add(world, one, *users)
    changed = replace(
        users[0], role=Role.VIEWER, password_hash=b"x", disabled_us=1, totp_sealed=b"t", totp_step=7,
        recovery=(b"b", b"a"), seal=b"s",
    )  # fmt: skip
    async with world.accounts.tenant(one.id) as tenant:
        assert [user.created_us for user in await tenant.users.all()] == [1, 2, 3]
        assert await tenant.users.one(users[0].id, lock=True) == users[0]
        assert await tenant.users.by_email(users[1].email_index) == users[1]
        assert await tenant.users.by_email(b"unknown") is None
        with pytest.raises(NotFound):
            await tenant.users.one(uuid4())
        await tenant.users.save(changed)
    assert world.forgotten == [one.id]
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.users.one(users[0].id) == changed
        await tenant.users.remove(users[1].id)
    assert await world.accounts.organization_of_user(users[1].email_index) is None
    assert await world.accounts.organization_of_user(users[2].email_index) == one.id
    assert len(world.forgotten) == 2


async def test_addresses_are_familiar_for_their_user_and_time(world: World) -> None:
    one = organization()
    user, other = user_of(one), user_of(one)
    await add(world, one, user, other)
    async with world.accounts.tenant(one.id) as tenant:
        for now_us in (5, 10):
            await tenant.users.remember_address(user.id, b"here", now_us)
        found = [
            await tenant.users.is_familiar(who, where, since)
            for who, where, since in (
                (user.id, b"here", 10), (user.id, b"here", 11), (user.id, b"there", 0), (other.id, b"here", 0)
            )
        ]  # fmt: skip
    assert found == [True, False, False, False]


async def test_sessions_are_found_changed_and_ended(world: World) -> None:
    one = organization()
    user, other = user_of(one), user_of(one)
    await add(world, one, user, other)
    mine, theirs = [session_of(user, created_us) for created_us in (1, 3, 2)], session_of(other)
    async with world.accounts.tenant(one.id) as tenant:
        for session in (*mine, theirs):
            await tenant.sessions.add(session)
        assert [session.created_us for session in await tenant.sessions.of_user(user.id)] == [3, 2, 1]
        assert await tenant.sessions.one(uuid4()) is None
        renewed = replace(mine[0], seen_us=9, authenticated_us=8, generation=4)
        await tenant.sessions.save(renewed)
        assert await tenant.sessions.one(mine[0].id, lock=True) == renewed
        await tenant.sessions.end_all(user.id, 10, but=mine[1].id)
        assert await tenant.sessions.of_user(user.id) == [mine[1]]
        assert await tenant.sessions.one(mine[0].id) == replace(renewed, ended_us=10)
        assert await tenant.sessions.of_user(other.id) == [theirs]
        await tenant.users.remove(user.id)
        assert await tenant.sessions.one(mine[1].id) is None
    assert world.forgotten == [one.id]


async def test_a_one_time_token_is_taken_once_in_time_and_by_its_tenant(world: World) -> None:
    one, other = organization(), organization()
    user = user_of(one)
    await add(world, one, user)
    await add(world, other)

    def token(expires_us: int, tenant: UUID | None = one.id, user_id: UUID | None = user.id) -> OneTimeToken:
        name = "system" if tenant is None else str(tenant)
        return OneTimeToken(
            fingerprint=uuid4().bytes, tenant=name, purpose=Purpose.JOIN, user_id=user_id, created_us=1,
            expires_us=expires_us,
        )  # fmt: skip

    good, late, dropped = token(10), token(5), token(10)
    founding = token(10, None, None)
    async with world.accounts.tenant(one.id) as tenant:
        for given in (good, late):
            await tenant.tokens.add(given)
    async with world.accounts.tenant(None) as tenant:
        await tenant.tokens.add(founding)
        assert await tenant.tokens.take(good.fingerprint, 5) is None
        assert await tenant.tokens.take(founding.fingerprint, 5) == replace(founding, used_us=5)
    async with world.accounts.tenant(other.id) as tenant:
        assert await tenant.tokens.take(good.fingerprint, 5) is None
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.tokens.take(late.fingerprint, 5) is None
        assert await tenant.tokens.take(b"unknown", 5) is None
        assert await tenant.tokens.take(good.fingerprint, 5) == replace(good, used_us=5)
        assert await tenant.tokens.take(good.fingerprint, 5) is None
        await tenant.tokens.add(dropped)
        await tenant.tokens.drop(user.id)
        assert await tenant.tokens.take(dropped.fingerprint, 5) is None


async def test_a_token_of_the_deployment_is_taken_in_the_transaction_that_founds_an_organization(world: World) -> None:
    one = organization()

    def token(purpose: Purpose, expires_us: int = 10) -> OneTimeToken:
        return OneTimeToken(
            fingerprint=uuid4().bytes, tenant="system", purpose=purpose, user_id=None, created_us=1,
            expires_us=expires_us, plan=Plan.STARTER,
        )  # fmt: skip

    founding, late, setup = token(Purpose.FOUND), token(Purpose.FOUND, 5), token(Purpose.SETUP)
    async with world.accounts.tenant(None) as deployment:
        for given in (founding, late, setup):
            await deployment.deployment_tokens.add(given)
        assert await deployment.tokens.find(founding.fingerprint, 5) == founding

    async def fail_halfway() -> None:
        async with world.accounts.tenant(one.id) as tenant:
            assert await tenant.deployment_tokens.take(founding.fingerprint, 5)
            await tenant.deployment_tokens.drop_all(Purpose.SETUP)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_halfway()
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.tokens.find(founding.fingerprint, 5) is None
        assert await tenant.tokens.take(founding.fingerprint, 5) is None
        assert await tenant.deployment_tokens.find(late.fingerprint, 5) is None
        assert await tenant.deployment_tokens.find(setup.fingerprint, 5) == setup
        assert await tenant.deployment_tokens.take(founding.fingerprint, 5) == replace(founding, used_us=5)
        assert await tenant.deployment_tokens.find(founding.fingerprint, 5) is None
        await tenant.deployment_tokens.drop_all(Purpose.SETUP)
        assert await tenant.deployment_tokens.find(setup.fingerprint, 5) is None
        await tenant.add_organization(one, f"test/ledgers/{one.id}")
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.organization() == one


async def test_keys_come_oldest_first_and_are_found_by_either_secret(world: World) -> None:
    one, other = organization(), organization()
    keys = tuple(key_of(one, created_us) for created_us in (3, 1, 2))
    await add(world, one, keys=keys)
    await add(world, other, keys=(key_of(other),))
    rotated = replace(
        keys[0], name="new", prefix="gl_wxyz", fingerprint=uuid4().bytes, previous_fingerprint=keys[0].fingerprint,
        previous_until_us=7, expires_us=8, revoked_us=9, rate_limit=5, allowed_ips=("10.0.0.0/8", "::1/128"),
        seal=b"s",
    )  # fmt: skip
    async with world.accounts.tenant(one.id) as tenant:
        assert [key.created_us for key in await tenant.keys.all()] == [1, 2, 3]
        await tenant.keys.save(rotated)
        assert await tenant.keys.one(keys[0].id, lock=True) == rotated
        for fingerprint in (rotated.fingerprint, keys[0].fingerprint):
            assert await tenant.keys.by_fingerprint(fingerprint) == rotated
        assert await tenant.keys.by_fingerprint(uuid4().bytes) is None
        with pytest.raises(NotFound):
            await tenant.keys.one(uuid4())
    for fingerprint in (rotated.fingerprint, keys[0].fingerprint):
        assert await world.accounts.organization_of_key(fingerprint) == one.id
    assert await world.accounts.organization_of_key(uuid4().bytes) is None
    assert world.forgotten == [one.id]


async def test_pages_of_keys_follow_their_ids(world: World) -> None:
    one, other = organization(), organization()
    keys = tuple(key_of(one) for _ in range(5))
    await add(world, one, keys=keys)
    await add(world, other, keys=(key_of(other),))
    ordered = sorted(keys, key=lambda key: key.id)
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.keys.page(None, 2) == ordered[:2]
        assert await tenant.keys.page(ordered[1].id, 2) == ordered[2:4]
        assert await tenant.keys.page(ordered[3].id, 2) == ordered[4:]
        assert await tenant.keys.page(ordered[4].id, 2) == []
        assert await tenant.keys.page(None, 200) == ordered


async def test_pages_of_users_follow_their_ids(world: World) -> None:
    one, other = organization(), organization()
    users = tuple(user_of(one) for _ in range(5))
    await add(world, one, *users)
    await add(world, other, user_of(other))
    ordered = sorted(users, key=lambda user: user.id)
    async with world.accounts.tenant(one.id) as tenant:
        assert await tenant.users.page(None, 2) == ordered[:2]
        assert await tenant.users.page(ordered[1].id, 2) == ordered[2:4]
        assert await tenant.users.page(ordered[3].id, 2) == ordered[4:]
        assert await tenant.users.page(ordered[4].id, 2) == []
        assert await tenant.users.page(None, 200) == ordered


async def test_events_of_a_key_come_oldest_first(world: World) -> None:
    one = organization()
    key, quiet = key_of(one), key_of(one)
    await add(world, one, keys=(key, quiet))
    events = [
        KeyEvent(id=UUID(int=key.id.int ^ number), organization_id=one.id, key_id=key.id, event="rotated", actor_id=ACTOR.id,
                 actor_kind=ACTOR.kind.value, time_us=1)
        for number in (2, 1)
    ]  # fmt: skip
    async with world.accounts.tenant(one.id) as tenant:
        for event in events:
            await tenant.keys.add_event(event)
        assert await tenant.keys.events(key.id) == sorted(events, key=lambda event: event.id)
        assert await tenant.keys.events(quiet.id) == []


async def test_usage_adds_up_by_principal_day_and_outcome(world: World) -> None:
    one, other = await add(world, organization()), await add(world, organization())

    def count(principal: str, day: int, requests: int, last_us: int, outcome: str = "admitted") -> UsageCount:
        return UsageCount(principal_id=principal, day=day, outcome=outcome, requests=requests, last_us=last_us)

    async with world.accounts.tenant(one.id) as tenant:
        await tenant.usage.add([count("b", 2, 3, 30), count("a", 2, 1, 10), count("a", 1, 1, 5)])
        await tenant.usage.add([count("a", 2, 4, 8), count("a", 2, 1, 9, "expired")])
        assert await tenant.usage.since(2) == [
            count("a", 2, 5, 10), count("a", 2, 1, 9, "expired"), count("b", 2, 3, 30)
        ]  # fmt: skip
        assert await tenant.usage.since(0, "a") == [
            count("a", 1, 1, 5), count("a", 2, 5, 10), count("a", 2, 1, 9, "expired")
        ]  # fmt: skip
    async with world.accounts.tenant(other.id) as tenant:
        assert await tenant.usage.since(0) == []
        assert await tenant.usage.last_admitted(["a", "b"]) == {}


async def test_the_last_admitted_request_is_known_by_principal(world: World) -> None:
    one = await add(world, organization())
    counts = [
        UsageCount(principal_id=principal, day=day, outcome=outcome, requests=1, last_us=last_us)
        for principal, day, outcome, last_us in (
            ("a", 1, "admitted", 50), ("a", 2, "admitted", 40), ("a", 2, "revoked", 90), ("b", 1, "expired", 7),
            ("c", 1, "admitted", 3),
        )
    ]  # fmt: skip
    async with world.accounts.tenant(one.id) as tenant:
        await tenant.usage.add(counts)
        assert await tenant.usage.last_admitted(["a", "b"]) == {"a": 50}
        assert await tenant.usage.last_admitted([]) == {}
