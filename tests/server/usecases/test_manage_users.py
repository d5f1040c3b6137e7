"""Members: invited, changed, kept out, removed; each act on the ledger, and none without its rules."""

import asyncio
import json
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from governlayer_server.domain.access import Principal, Role
from governlayer_server.domain.account import Purpose, User, UserStatus
from governlayer_server.domain.errors import (
    Forbidden,
    GovernLayerError,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    InvalidRequest,
    LastOwner,
    LedgerUnavailable,
    NotAuthenticated,
    NotFound,
)
from governlayer_server.domain.organization import Organization
from governlayer_server.ports.ledger import RecordFilter
from governlayer_server.usecases.answer_once import Once
from governlayer_server.usecases.manage_users import INVITATION_US, Invited
from governlayer_server.usecases.seal_rows import is_genuine
from msgspec.structs import replace

from tests.fakes.appliance import FakeAppliance
from tests.fakes.people import add_principal, add_user, live_sessions, principal_for, sign_in

MANAGERS = {Role.OWNER, Role.ADMIN}


async def newest(appliance: FakeAppliance, organization: Organization, count: int = 1) -> list[tuple[str, Any]]:
    records = await appliance.ledger.records(str(organization.id), -1, 1000, RecordFilter())
    return [(one.type, json.loads(one.canonical)["body"]) for one in records][-count:]


async def size(appliance: FakeAppliance, organization: Organization) -> int:
    return (await appliance.ledger.head(str(organization.id))).size


@pytest.fixture
async def owner(appliance: FakeAppliance, acme: Organization) -> Principal:
    return await add_principal(appliance, acme, Role.OWNER)


def row(appliance: FakeAppliance, user_id: UUID | str) -> User:
    return appliance.accounts.rows.users[UUID(str(user_id))]


async def test_an_invited_member_is_stored_sealed_and_recorded_without_their_address(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    made = await appliance.manage_users.invite(owner, "Ann@example.org", Role.AUDITOR)
    member = made.member
    assert (member.email, member.role, member.status) == ("Ann@example.org", Role.AUDITOR, UserStatus.INVITED)
    stored = row(appliance, member.id)
    assert is_genuine(appliance.vault, stored)
    assert b"ann" not in stored.email_sealed.lower()
    (kind, body), *_ = await newest(appliance, acme)
    assert (kind, body) == ("user.created", {"role": "auditor", "user_id": member.id})
    (token,) = appliance.accounts.rows.tokens.values()
    assert (token.purpose, str(token.user_id), token.tenant) == (Purpose.JOIN, member.id, str(acme.id))
    assert token.expires_us == appliance.clock.now_us() + INVITATION_US
    for shown in (repr(made), repr(member), repr(stored)):
        assert made.token not in shown
        assert "Ann@" not in shown


@pytest.mark.parametrize("email", ["", "ann", "ann@", "a b@c", "x" * 251 + "@b.c"])
async def test_an_address_that_is_none_is_refused(appliance: FakeAppliance, owner: Principal, email: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await appliance.manage_users.invite(owner, email, Role.VIEWER)
    assert [fault.pointer for fault in refused.value.faults] == ["/email"]


async def test_an_address_that_a_user_has_anywhere_is_refused_and_nothing_is_stored(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    other = await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    before = await size(appliance, acme)
    for email in ("acme@example.com", "OTHER@example.com"):
        with pytest.raises(InvalidRequest) as refused:
            await appliance.manage_users.invite(owner, email, Role.VIEWER)
        assert [fault.pointer for fault in refused.value.faults] == ["/email"]
    assert appliance.accounts.rows.tokens == {}
    assert await size(appliance, acme) == before
    assert other.id != acme.id


async def test_inviting_again_makes_the_invitation_before_useless(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    first = await appliance.manage_users.invite(owner, "ann@example.org", Role.VIEWER)
    second = await appliance.manage_users.invite_again(owner, UUID(first.member.id))
    assert second.member == first.member
    assert second.token != first.token
    (token,) = appliance.accounts.rows.tokens.values()
    assert appliance.one_time.read(second.token) == (acme.id, (token.fingerprint,))
    assert await newest(appliance, acme) == [("user.changed", {"event": "invited_again", "user_id": first.member.id})]


@pytest.mark.parametrize("act", ["invite", "invite_again"])
async def test_an_invitation_that_is_asked_for_again_is_made_once(
    appliance: FakeAppliance, acme: Organization, owner: Principal, act: str
) -> None:
    user_id = UUID((await appliance.manage_users.invite(owner, "v@example.org", Role.AUDITOR)).member.id)

    async def ask(body: bytes = b"{}", principal: Principal = owner) -> Invited:
        once = Once(key="one", body=body)
        if act == "invite":
            return await appliance.manage_users.invite(principal, "ann@example.org", Role.AUDITOR, once)
        return await appliance.manage_users.invite_again(principal, user_id, once)

    first = await ask()
    before = await size(appliance, acme), appliance.accounts.rows.copy()
    again = await ask()
    assert (first.replayed, again) == (False, replace(first, replayed=True))
    with pytest.raises(IdempotencyKeyReused):
        await ask(b"[]")
    assert (await size(appliance, acme), appliance.accounts.rows) == before
    for answer, _ in appliance.ledger._ledgers[str(acme.id)].answers.values():
        assert first.token[10:30].encode() not in answer.sealed
        assert b"example.org" not in answer.sealed


@pytest.mark.parametrize("act", ["invite", "invite_again"])
async def test_an_invitation_is_made_once_without_the_marker_too(
    appliance: FakeAppliance, owner: Principal, act: str
) -> None:
    user_id = UUID((await appliance.manage_users.invite(owner, "v@example.org", Role.AUDITOR)).member.id)
    manage, once = appliance.manage_users, Once(key="one", body=b"{}")

    async def ask() -> Invited:
        if act == "invite":
            return await manage.invite(owner, "ann@example.org", Role.AUDITOR, once)
        return await manage.invite_again(owner, user_id, once)

    done = await asyncio.gather(*(ask() for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, IdempotencyInProgress) for one in done) == 4
    appliance.running.away = True
    assert len({one.token for one in await asyncio.gather(*(ask() for _ in range(5)))}) == 1


async def test_a_kept_invitation_is_not_for_who_could_not_invite_now(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    user = await add_user(appliance, acme, Role.ADMIN)
    admin, once = principal_for(user, acme), Once(key="one", body=b"{}")
    await appliance.manage_users.invite(admin, "ann@example.org", Role.VIEWER, once)
    await appliance.manage_users.change(owner, user.id, Role.DEVELOPER)
    with pytest.raises(Forbidden):
        await appliance.manage_users.invite(admin, "ann@example.org", Role.VIEWER, once)


@pytest.mark.parametrize("state", [{"joined": True}, {"joined": False, "disabled": True}])
async def test_who_has_joined_or_is_kept_out_is_not_invited_again(
    appliance: FakeAppliance, acme: Organization, owner: Principal, state: dict[str, bool]
) -> None:
    user = await add_user(appliance, acme, Role.VIEWER, **state)
    with pytest.raises(InvalidRequest):
        await appliance.manage_users.invite_again(owner, user.id)
    assert appliance.accounts.rows.tokens == {}


async def test_a_changed_role_ends_the_members_sessions_at_once(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    user, bystander = [await add_user(appliance, acme, Role.VIEWER) for _ in range(2)]
    token, other = await sign_in(appliance, user), await sign_in(appliance, bystander)
    assert (await appliance.authenticate(token)).role is Role.VIEWER
    member = await appliance.manage_users.change(owner, user.id, Role.ADMIN)
    assert (member.role, row(appliance, user.id).role) == (Role.ADMIN, Role.ADMIN)
    with pytest.raises(NotAuthenticated):
        await appliance.authenticate(token)
    assert (live_sessions(appliance, user.id), live_sessions(appliance, bystander.id)) == (0, 1)
    await appliance.authenticate(other)
    assert appliance.accounts.forgotten[-1] == acme.id
    changed = {"event": "role_changed", "role": "admin", "user_id": str(user.id)}
    assert await newest(appliance, acme) == [("user.changed", changed)]
    assert is_genuine(appliance.vault, row(appliance, user.id))


async def test_who_is_kept_out_has_neither_sessions_nor_invitations_until_let_in(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    user = await add_user(appliance, acme, Role.VIEWER)
    token = await sign_in(appliance, user)
    invited = await appliance.manage_users.invite(owner, "ann@example.org", Role.VIEWER)
    for user_id in (user.id, UUID(invited.member.id)):
        member = await appliance.manage_users.change(owner, user_id, disabled=True)
        assert member.status is UserStatus.DISABLED
    assert appliance.accounts.rows.tokens == {}
    with pytest.raises(NotAuthenticated):
        await appliance.authenticate(token)
    members = [await appliance.manage_users.change(owner, one, disabled=False) for one in (user_id, user.id)]
    assert [one.status for one in members] == [UserStatus.INVITED, UserStatus.ACTIVE]
    with pytest.raises(NotAuthenticated):
        await appliance.authenticate(token)
    events = [body["event"] for _, body in await newest(appliance, acme, 4)]
    assert events == ["disabled", "disabled", "enabled", "enabled"]


async def test_what_changes_nothing_is_not_recorded_and_ends_nothing(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    user = await add_user(appliance, acme, Role.VIEWER)
    token = await sign_in(appliance, user)
    before = await size(appliance, acme)
    await appliance.manage_users.change(owner, user.id, Role.VIEWER, disabled=False)
    assert await size(appliance, acme) == before
    await appliance.authenticate(token)


async def test_a_removed_member_is_gone_with_all_that_was_theirs(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    invited = await appliance.manage_users.invite(owner, "ann@example.org", Role.VIEWER)
    user = await add_user(appliance, acme, Role.VIEWER)
    token = await sign_in(appliance, user)
    for user_id in (user.id, UUID(invited.member.id)):
        await appliance.manage_users.remove(owner, user_id)
        assert user_id not in appliance.accounts.rows.users
        assert await newest(appliance, acme) == [("user.changed", {"event": "removed", "user_id": str(user_id)})]
        with pytest.raises(NotFound):
            await appliance.manage_users.remove(owner, user_id)
    assert appliance.accounts.rows.tokens == {}
    with pytest.raises(NotAuthenticated):
        await appliance.authenticate(token)
    again = await appliance.manage_users.invite(owner, "ann@example.org", Role.VIEWER)
    assert again.member.id != invited.member.id


@pytest.mark.parametrize("role", Role)
async def test_anybody_may_leave(appliance: FakeAppliance, acme: Organization, owner: Principal, role: Role) -> None:
    user = await add_user(appliance, acme, role)
    await appliance.manage_users.remove(principal_for(user, acme), user.id)
    assert user.id not in appliance.accounts.rows.users
    assert owner.user_id in appliance.accounts.rows.users


async def test_the_last_active_owner_is_neither_removed_nor_changed(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    await add_user(appliance, acme, Role.OWNER, joined=False)
    await add_user(appliance, acme, Role.OWNER, disabled=True)
    before = dict(appliance.accounts.rows.users)
    with pytest.raises(LastOwner):
        await appliance.manage_users.remove(owner, owner.user_id)
    for change in ({"role": Role.ADMIN}, {"disabled": True}, {"role": Role.ADMIN, "disabled": True}):
        with pytest.raises(LastOwner):
            await appliance.manage_users.change(owner, owner.user_id, **change)
    assert appliance.accounts.rows.users == before


async def test_an_owner_whose_row_was_forged_does_not_count(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    forged = await add_user(appliance, acme, Role.VIEWER)
    appliance.accounts.rows.users[forged.id] = replace(forged, role=Role.OWNER)
    with pytest.raises(LastOwner):
        await appliance.manage_users.remove(owner, owner.user_id)
    with pytest.raises(Forbidden):
        await appliance.manage_users.change(owner, forged.id, Role.ADMIN)
    assert not is_genuine(appliance.vault, row(appliance, forged.id))
    with pytest.raises(Forbidden):
        await appliance.manage_users.invite(principal_for(row(appliance, forged.id), acme), "a@b.c", Role.OWNER)
    await appliance.manage_users.remove(owner, forged.id)


ACTS = ["invite", "invite_again", "role", "disable", "enable", "remove"]


async def attempt(appliance: FakeAppliance, acting: Principal, act: str, target: User) -> None:
    users = appliance.manage_users
    match act:
        case "invite":
            await users.invite(acting, f"{uuid4()}@example.org", target.role)
        case "invite_again":
            await users.invite_again(acting, target.id)
        case "role":
            await users.change(acting, target.id, Role.VIEWER if target.role is not Role.VIEWER else Role.AUDITOR)
        case "disable" | "enable":
            await users.change(acting, target.id, disabled=act == "disable")
        case _:
            await users.remove(acting, target.id)


@pytest.mark.parametrize(("actor", "target", "act"), list(product(Role, Role, ACTS)))
async def test_who_may_do_what_to_whom(
    appliance: FakeAppliance, acme: Organization, owner: Principal, actor: Role, target: Role, act: str
) -> None:
    acting = await add_principal(appliance, acme, actor)
    aim = await add_user(appliance, acme, target, joined=act != "invite_again", disabled=act == "enable")
    before, records = dict(appliance.accounts.rows.users), await size(appliance, acme)
    try:
        await attempt(appliance, acting, act, aim)
    except Forbidden:
        done = False
    else:
        done = True
    assert done == (actor is Role.OWNER or (actor is Role.ADMIN and target is not Role.OWNER))
    assert (appliance.accounts.rows.users != before) == (done and act != "invite_again")
    assert await size(appliance, acme) == records + done
    assert owner.user_id in appliance.accounts.rows.users


async def test_the_role_that_counts_is_the_one_that_the_row_has_now(
    appliance: FakeAppliance, acme: Organization, owner: Principal
) -> None:
    once = await add_principal(appliance, acme, Role.OWNER)
    aim = await add_user(appliance, acme, Role.ADMIN)
    await appliance.manage_users.change(owner, once.user_id, Role.VIEWER)
    for act in ("role", "disable", "remove"):
        with pytest.raises(Forbidden):
            await attempt(appliance, once, act, aim)
    await appliance.manage_users.remove(owner, once.user_id)
    with pytest.raises(Forbidden):
        await appliance.manage_users.invite(once, "ann@example.org", Role.VIEWER)


@pytest.mark.parametrize("act", [act for act in ACTS if act != "invite"])
async def test_a_user_of_another_organization_is_as_absent_as_one_that_nobody_has(
    appliance: FakeAppliance, acme: Organization, owner: Principal, act: str
) -> None:
    other = await appliance.create_organization("Other", acme.plan, "other@example.com", None)
    theirs = await add_user(appliance, other, Role.VIEWER, joined=act != "invite_again")
    before = dict(appliance.accounts.rows.users)
    words = set()
    for target in (theirs, replace(theirs, id=uuid4())):
        with pytest.raises(NotFound) as refused:
            await attempt(appliance, owner, act, target)
        words.add(str(refused.value))
    assert len(words) == 1
    assert appliance.accounts.rows.users == before


async def test_whether_somebody_exists_is_not_told_to_who_does_not_manage(
    appliance: FakeAppliance, acme: Organization
) -> None:
    viewer = await add_principal(appliance, acme, Role.VIEWER)
    member = await add_user(appliance, acme, Role.VIEWER)
    for user_id in (member.id, uuid4()):
        with pytest.raises(Forbidden):
            await appliance.manage_users.remove(viewer, user_id)


@pytest.mark.parametrize("act", ACTS)
async def test_what_cannot_be_recorded_is_not_done(
    appliance: FakeAppliance, acme: Organization, owner: Principal, act: str
) -> None:
    aim = await add_user(appliance, acme, Role.VIEWER, joined=act != "invite_again", disabled=act == "enable")
    before, tokens = dict(appliance.accounts.rows.users), dict(appliance.accounts.rows.tokens)
    appliance.ledger.failure = LedgerUnavailable("away")
    with pytest.raises(GovernLayerError):
        await attempt(appliance, owner, act, aim)
    assert (appliance.accounts.rows.users, appliance.accounts.rows.tokens) == (before, tokens)


async def test_pages_show_every_member_once_in_order(appliance: FakeAppliance, acme: Organization) -> None:
    for number in range(6):
        appliance.clock.advance(1_000 * number)
        await add_user(appliance, acme, Role.VIEWER)
    found, after = [], None
    while page := await appliance.read_users.page(acme.id, 2, after):
        assert len(page) <= 2
        found += page
        after = UUID(page[-1].id)
    assert len(found) == 7
    assert [one.id for one in found] == sorted(str(user_id) for user_id in appliance.accounts.rows.users)
    assert "acme@example.com" in {one.email for one in found}
