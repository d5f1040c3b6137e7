"""API keys: made, listed, rotated, revoked, by the rules of the API contract §2."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from governlayer_server.domain.access import Role, Scope
from governlayer_server.domain.account import ApiKey
from governlayer_server.domain.errors import (
    CipherError,
    Conflict,
    Forbidden,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidRequest,
    LedgerUnavailable,
    NotAuthenticated,
    NotFound,
)
from governlayer_server.domain.key_terms import KeyStatus, KeyTerms
from governlayer_server.domain.ledger.record import SYSTEM, Actor, ActorKind
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.seal_rows import is_genuine, sealed
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance, add_user

SECOND_US = 1_000_000
DAY_US = 24 * 3600 * SECOND_US
ONCE = Once(key="request-1", body=b'{"the":"body"}')
TERMS = KeyTerms(name="CI", scopes=[Scope.GOVERN])


async def actor_with(appliance: FakeAppliance, organization: Organization, role: Role) -> Actor:
    user = await add_user(appliance, organization, role)
    return Actor(id=str(user.id), kind=ActorKind.USER)


async def records(appliance: FakeAppliance, organization: Organization) -> list[tuple[str, dict[str, Any]]]:
    found = await appliance.ledger.records(str(organization.id), -1, 1000, RecordFilter())
    return [(one.type, json.loads(one.canonical)) for one in found]


async def accepted(appliance: FakeAppliance, key: str, address: str | None = None) -> bool:
    try:
        await appliance.authenticate(key, address)
    except NotAuthenticated:
        return False
    return True


def stored(appliance: FakeAppliance) -> ApiKey:
    (key,) = appliance.accounts.rows.keys.values()
    return key


async def test_a_key_is_shown_once_stored_as_a_fingerprint_and_recorded_by_id(
    appliance: FakeAppliance, acme: Organization
) -> None:
    admin = await actor_with(appliance, acme, Role.ADMIN)
    expires_us = appliance.clock.now_us() + DAY_US
    terms = KeyTerms(
        name="Secret project", scopes=[Scope.SCAN, Scope.AUDIT], expires_us=expires_us, rate_limit=7,
        allowed_ips=["10.0.0.0/8", "::ffff:10.0.0.0/104", "::1"],
    )  # fmt: skip
    made = await appliance.manage_keys.create(admin, acme.id, terms)
    key = stored(appliance)
    assert key == made.stored
    assert is_genuine(appliance.vault, key)
    assert (key.rate_limit, key.expires_us, key.allowed_ips) == (7, expires_us, ("10.0.0.0/8", "::1/128"))
    assert key.prefix == made.key[:7]
    kind, record = (await records(appliance, acme))[-1]
    assert kind == "key.created"
    assert record["actor"] == {"id": admin.id, "kind": "user"}
    assert record["body"] == {
        "allowed_ips": 2, "expires_us": expires_us, "key_id": str(key.id), "rate_limit": 7,
        "scopes": ["audit", "scan"],
    }  # fmt: skip
    (event,) = appliance.accounts.rows.events
    assert (event.event, event.actor_id, event.key_id) == ("created", admin.id, key.id)
    for text in (repr(made), repr(key), repr(event), json.dumps(record), str(appliance.ledger._ledgers)):
        assert not any(made.key[start : start + 12] in text for start in range(len(made.key) - 11))


async def test_the_plan_bounds_a_limit_of_the_key(appliance: FakeAppliance, acme: Organization) -> None:
    await appliance.new_key(acme, rate_limit=500)
    with pytest.raises(InvalidRequest) as refused:
        await appliance.new_key(acme, rate_limit=501)
    assert [fault.pointer for fault in refused.value.faults] == ["/rate_limit"]
    assert len(appliance.accounts.rows.keys) == 1


@pytest.mark.parametrize("act", ["create", "rotate", "revoke"])
async def test_what_cannot_be_recorded_does_not_happen(appliance: FakeAppliance, acme: Organization, act: str) -> None:
    made = await appliance.new_key(acme)
    before = appliance.accounts.rows.copy()
    appliance.ledger.failure = LedgerUnavailable("away")
    manage, key_id = appliance.manage_keys, made.stored.id
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: appliance.new_key(acme),
        "rotate": lambda: manage.rotate(SYSTEM, acme.id, key_id, 0),
        "revoke": lambda: manage.revoke(SYSTEM, acme.id, key_id),
    }
    with pytest.raises(LedgerUnavailable):
        await acts[act]()
    assert appliance.accounts.rows == before
    assert await accepted(appliance, made.key)


async def test_a_key_of_no_organization_is_refused(appliance: FakeAppliance, acme: Organization) -> None:
    with pytest.raises(NotFound):
        await appliance.manage_keys.create(SYSTEM, uuid4(), TERMS)
    assert appliance.accounts.rows.keys == {}


@pytest.mark.parametrize(
    ("role", "scopes", "missing"),
    [
        (Role.DEVELOPER, [Scope.GOVERN, Scope.AUDIT], "audit"),
        (Role.AUDITOR, [Scope.GOVERN], "govern"),
        (Role.VIEWER, [Scope.SCAN], "scan"),
        (Role.APPROVER, [Scope.AUDIT], "audit"),
    ],
)
async def test_no_user_makes_or_obtains_a_key_that_may_do_more(
    appliance: FakeAppliance, acme: Organization, role: Role, scopes: list[Scope], missing: str
) -> None:
    actor = await actor_with(appliance, acme, role)
    with pytest.raises(Forbidden, match=f"`{missing}`"):
        await appliance.manage_keys.create(actor, acme.id, KeyTerms(name="k", scopes=scopes))
    assert appliance.accounts.rows.keys == {}
    made = await appliance.new_key(acme, scopes=scopes)
    with pytest.raises(Forbidden, match=f"`{missing}`"):
        await appliance.manage_keys.rotate(actor, acme.id, made.stored.id, 0)
    assert stored(appliance) == made.stored


@pytest.mark.parametrize("change", [{"disabled_us": 1}, {"password_hash": None}, {"role": Role.VIEWER}, None])
async def test_the_role_counts_that_the_user_has_now(
    appliance: FakeAppliance, acme: Organization, change: dict[str, Any] | None
) -> None:
    user = await add_user(appliance, acme, Role.ADMIN)
    actor = Actor(id=str(user.id), kind=ActorKind.USER)
    async with appliance.accounts.tenant(acme.id) as tenant:
        if change is None:
            await tenant.users.remove(user.id)
        else:
            await tenant.users.save(sealed(appliance.vault, replace(user, **change)))
    with pytest.raises(Forbidden):
        await appliance.manage_keys.create(actor, acme.id, TERMS)
    assert appliance.accounts.rows.keys == {}


async def test_a_role_that_was_written_by_hand_makes_no_key(appliance: FakeAppliance, acme: Organization) -> None:
    user = await add_user(appliance, acme, Role.VIEWER)
    appliance.accounts.rows.users[user.id] = replace(user, role=Role.OWNER)
    with pytest.raises(Forbidden):
        await appliance.manage_keys.create(Actor(id=str(user.id), kind=ActorKind.USER), acme.id, TERMS)
    assert appliance.accounts.rows.keys == {}


async def test_a_key_makes_no_key(appliance: FakeAppliance, acme: Organization) -> None:
    made = await appliance.new_key(acme, scopes=list(Scope))
    actor = Actor(id=str(made.stored.id), kind=ActorKind.API_KEY)
    with pytest.raises(Forbidden):
        await appliance.manage_keys.create(actor, acme.id, TERMS)
    with pytest.raises(Forbidden):
        await appliance.manage_keys.rotate(actor, acme.id, made.stored.id, 0)


async def test_a_user_of_another_organization_makes_no_key(appliance: FakeAppliance, acme: Organization) -> None:
    other = await appliance.start("Other")
    with pytest.raises(Forbidden):
        await appliance.manage_keys.create(await actor_with(appliance, other, Role.OWNER), acme.id, TERMS)


async def test_without_a_grace_the_old_secret_is_refused_at_once(appliance: FakeAppliance, acme: Organization) -> None:
    old = await appliance.new_key(acme)
    new = await appliance.manage_keys.rotate(SYSTEM, acme.id, old.stored.id, 0)
    assert new.key != old.key
    assert new.stored.id == old.stored.id
    assert (await accepted(appliance, old.key), await accepted(appliance, new.key)) == (False, True)
    kind, record = (await records(appliance, acme))[-1]
    assert kind == "key.rotated"
    assert record["body"] == {"grace_seconds": 0, "key_id": str(old.stored.id), "scopes": ["govern"]}
    # Not even for a replica whose clock is behind.
    appliance.clock.advance(-60 * SECOND_US)
    assert not await accepted(appliance, old.key)


async def test_the_old_secret_works_until_the_grace_ends(appliance: FakeAppliance, acme: Organization) -> None:
    old = await appliance.new_key(acme)
    new = await appliance.manage_keys.rotate(SYSTEM, acme.id, old.stored.id, 60)
    appliance.clock.advance(60 * SECOND_US - 1)
    assert (await accepted(appliance, old.key), await accepted(appliance, new.key)) == (True, True)
    appliance.clock.advance(1)
    assert (await accepted(appliance, old.key), await accepted(appliance, new.key)) == (False, True)


async def test_rotating_again_ends_an_older_grace(appliance: FakeAppliance, acme: Organization) -> None:
    first = await appliance.new_key(acme)
    second = await appliance.manage_keys.rotate(SYSTEM, acme.id, first.stored.id, 600)
    third = await appliance.manage_keys.rotate(SYSTEM, acme.id, first.stored.id, 600)
    assert [await accepted(appliance, one.key) for one in (first, second, third)] == [False, True, True]


async def test_fifty_rotations_at_once_leave_one_secret_and_one_before_it(
    appliance: FakeAppliance, acme: Organization
) -> None:
    first = await appliance.new_key(acme)
    made = await asyncio.gather(
        *(appliance.manage_keys.rotate(SYSTEM, acme.id, first.stored.id, 600) for _ in range(50))
    )
    works = [one for one in (first, *made) if await accepted(appliance, one.key)]
    assert len(works) == 2
    key = stored(appliance)
    assert {one.stored.fingerprint for one in works} == {key.fingerprint, key.previous_fingerprint}
    assert [kind for kind, _ in await records(appliance, acme)].count("key.rotated") == 50
    assert len(appliance.accounts.rows.events) == 51


@pytest.mark.parametrize("grace", [-1, 2_592_001])
async def test_a_grace_out_of_range_changes_nothing(appliance: FakeAppliance, acme: Organization, grace: int) -> None:
    made = await appliance.new_key(acme)
    with pytest.raises(InvalidRequest):
        await appliance.manage_keys.rotate(SYSTEM, acme.id, made.stored.id, grace)
    assert stored(appliance) == made.stored


async def test_a_dead_key_is_not_rotated(appliance: FakeAppliance, acme: Organization) -> None:
    revoked = await appliance.new_key(acme)
    await appliance.manage_keys.revoke(SYSTEM, acme.id, revoked.stored.id)
    expired = await appliance.new_key(acme, expires_us=appliance.clock.now_us() + 1)
    appliance.clock.advance(1)
    for one, status in ((revoked, "revoked"), (expired, "expired")):
        with pytest.raises(Conflict, match=status):
            await appliance.manage_keys.rotate(SYSTEM, acme.id, one.stored.id, 600)
    await appliance.manage_keys.revoke(SYSTEM, acme.id, expired.stored.id)
    assert (await appliance.manage_keys.one(acme.id, expired.stored.id)).status is KeyStatus.REVOKED


async def test_an_altered_row_is_never_made_good(appliance: FakeAppliance, acme: Organization) -> None:
    made = await appliance.new_key(acme)
    appliance.accounts.rows.keys[made.stored.id] = replace(made.stored, scopes=frozenset(Scope))
    with pytest.raises(Conflict, match="altered"):
        await appliance.manage_keys.rotate(SYSTEM, acme.id, made.stored.id, 0)
    await appliance.manage_keys.revoke(SYSTEM, acme.id, made.stored.id)
    assert stored(appliance).revoked_us is not None
    assert not is_genuine(appliance.vault, stored(appliance))


async def test_a_revoked_key_is_refused_and_revoked_once(appliance: FakeAppliance, acme: Organization) -> None:
    made = await appliance.new_key(acme)
    new = await appliance.manage_keys.rotate(SYSTEM, acme.id, made.stored.id, 600)
    for _ in range(3):
        await appliance.manage_keys.revoke(SYSTEM, acme.id, made.stored.id)
        appliance.clock.advance(SECOND_US)
    assert [await accepted(appliance, one.key) for one in (made, new)] == [False, False]
    assert [kind for kind, _ in await records(appliance, acme)].count("key.revoked") == 1
    assert [one.event for one in appliance.accounts.rows.events] == ["created", "rotated", "revoked"]
    assert stored(appliance).revoked_us == appliance.clock.now_us() - 3 * SECOND_US


async def test_every_change_makes_the_replicas_forget(appliance: FakeAppliance, acme: Organization) -> None:
    made = await appliance.new_key(acme)
    appliance.accounts.forgotten.clear()
    await appliance.manage_keys.rotate(SYSTEM, acme.id, made.stored.id, 0)
    await appliance.manage_keys.revoke(SYSTEM, acme.id, made.stored.id)
    assert appliance.accounts.forgotten == [acme.id, acme.id]


async def test_foreign_and_unknown_keys_are_the_same(appliance: FakeAppliance, acme: Organization) -> None:
    other = await appliance.start("Other")
    made = await appliance.new_key(acme)
    manage, words = appliance.manage_keys, set()
    for key_id in (made.stored.id, UUID(int=0)):
        for asked in (
            manage.one(other.id, key_id),
            manage.rotate(SYSTEM, other.id, key_id, 0),
            manage.revoke(SYSTEM, other.id, key_id),
            manage.history(other.id, key_id),
        ):
            with pytest.raises(NotFound) as refused:
                await asked
            words.add(str(refused.value))
    assert len(words) == 1
    assert await manage.page(other.id, None, 200) == []
    assert stored(appliance) == made.stored


@pytest.mark.parametrize(
    ("allowed", "address", "inside"),
    [
        (["192.0.2.0/24"], "192.0.2.77", True),
        (["192.0.2.0/24"], "::ffff:192.0.2.77", True),
        (["::ffff:192.0.2.0/120"], "192.0.2.77", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["192.0.2.0/24"], "192.0.3.1", False),
        (["192.0.2.0/24"], "::ffff:192.0.3.1", False),
        (["192.0.2.0/24"], "::c000:24d", False),
        (["::/0"], "192.0.2.1", False),
        (["0.0.0.0/0"], "2001:db8::1", False),
        (["0.0.0.0/0"], None, False),
        (["0.0.0.0/0"], "no address", False),
    ],
)
async def test_a_key_works_from_its_addresses_alone(
    appliance: FakeAppliance, acme: Organization, allowed: list[str], address: str | None, inside: bool
) -> None:
    made = await appliance.new_key(acme, allowed_ips=allowed)
    assert await accepted(appliance, made.key, address) is inside


async def test_pages_follow_each_other_to_the_end(appliance: FakeAppliance, acme: Organization) -> None:
    made = []
    for _ in range(5):
        made.append((await appliance.new_key(acme)).stored.id)
        appliance.clock.advance(1000)
    seen: list[UUID] = []
    while page := await appliance.manage_keys.page(acme.id, seen[-1] if seen else None, 2):
        assert len(page) <= 2
        seen += [facts.stored.id for facts in page]
    assert seen == made


async def test_use_and_refusals_are_seen_by_day(appliance: FakeAppliance, acme: Organization) -> None:
    made = await appliance.new_key(acme)
    assert (await appliance.manage_keys.one(acme.id, made.stored.id)).last_used_us is None
    first_us = appliance.clock.now_us()
    appliance.usage.note(acme.id, str(made.stored.id), "admitted")
    appliance.clock.advance(DAY_US)
    await appliance.manage_keys.revoke(SYSTEM, acme.id, made.stored.id)
    for _ in range(2):
        assert not await accepted(appliance, made.key)
    await appliance.usage.flush()
    history = await appliance.manage_keys.history(acme.id, made.stored.id)
    assert [(one.outcome, one.requests) for one in history.usage] == [("admitted", 1), ("revoked", 2)]
    assert history.usage[1].day == history.usage[0].day + 1
    assert [one.event for one in history.events] == ["created", "revoked"]
    assert (await appliance.manage_keys.one(acme.id, made.stored.id)).last_used_us == first_us
    appliance.clock.advance(90 * DAY_US)
    assert [one.outcome for one in (await appliance.manage_keys.history(acme.id, made.stored.id)).usage] == ["revoked"]


async def test_the_same_request_is_answered_once(appliance: FakeAppliance, acme: Organization) -> None:
    admin = await actor_with(appliance, acme, Role.ADMIN)
    first = await appliance.manage_keys.create(admin, acme.id, TERMS, ONCE)
    again = await appliance.manage_keys.create(admin, acme.id, TERMS, ONCE)
    assert (first.replayed, again.replayed) == (False, True)
    assert replace(again, replayed=False) == first
    assert len(appliance.accounts.rows.keys) == 1
    with pytest.raises(IdempotencyKeyReused):
        await appliance.manage_keys.create(admin, acme.id, TERMS, Once(key=ONCE.key, body=b"{}"))
    appliance.clock.advance(DAY_US)
    later = await appliance.manage_keys.create(admin, acme.id, TERMS, ONCE)
    assert later.stored.id != first.stored.id


async def test_a_kept_answer_is_for_the_one_who_asked(appliance: FakeAppliance, acme: Organization) -> None:
    """It holds the secret: a colleague who knows request and idempotency key makes a key of his own."""
    admin, colleague = [await actor_with(appliance, acme, Role.ADMIN) for _ in range(2)]
    first = await appliance.manage_keys.create(admin, acme.id, TERMS, ONCE)
    second = await appliance.manage_keys.create(colleague, acme.id, TERMS, ONCE)
    assert not second.replayed
    assert second.key != first.key


async def test_a_kept_answer_is_not_for_a_role_that_could_not_ask(appliance: FakeAppliance, acme: Organization) -> None:
    user = await add_user(appliance, acme, Role.ADMIN)
    actor, terms = Actor(id=str(user.id), kind=ActorKind.USER), KeyTerms(name="k", scopes=[Scope.AUDIT])
    await appliance.manage_keys.create(actor, acme.id, terms, ONCE)
    async with appliance.accounts.tenant(acme.id) as tenant:
        await tenant.users.save(sealed(appliance.vault, replace(user, role=Role.DEVELOPER)))
    with pytest.raises(Forbidden, match="`audit`"):
        await appliance.manage_keys.create(actor, acme.id, terms, ONCE)


async def test_while_the_first_runs_the_second_waits(appliance: FakeAppliance, acme: Organization) -> None:
    asked = [appliance.manage_keys.create(SYSTEM, acme.id, TERMS, ONCE) for _ in range(5)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, IdempotencyInProgress) for one in done) == 4
    assert len(appliance.accounts.rows.keys) == 1


async def test_without_the_marker_the_store_still_makes_one(appliance: FakeAppliance, acme: Organization) -> None:
    appliance.running.away = True
    done = await asyncio.gather(*(appliance.manage_keys.create(SYSTEM, acme.id, TERMS, ONCE) for _ in range(5)))
    assert len({one.key for one in done}) == 1
    assert len(appliance.accounts.rows.keys) == 1


async def test_a_kept_answer_is_encrypted_and_bound_to_its_place(appliance: FakeAppliance, acme: Organization) -> None:
    other = Once(key="request-2", body=ONCE.body)
    made = [await appliance.manage_keys.create(SYSTEM, acme.id, TERMS, once) for once in (ONCE, other)]
    answers = appliance.ledger._ledgers[str(acme.id)].answers
    first, second = answers
    for answer, _ in answers.values():
        assert not any(one.key[3:15].encode() in answer.sealed for one in made)
    answers[first] = answers[second]
    with pytest.raises(CipherError):
        await appliance.manage_keys.create(SYSTEM, acme.id, TERMS, ONCE)
