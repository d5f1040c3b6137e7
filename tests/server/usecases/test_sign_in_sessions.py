"""Sessions: refresh tokens rotate, reuse ends the family, and sessions end by limits, by their user and by changes."""

import asyncio
from uuid import UUID

import pytest
from governlayer_server.domain.errors import InvalidRequest, NotAuthenticated, NotFound, TooManyAttempts
from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.times import HOUR_US
from governlayer_server.domain.token_text import REFRESH_PREFIX, make_token, read_token
from governlayer_server.usecases.seal_rows import sealed
from governlayer_server.usecases.session_tokens import SignedIn
from msgspec.structs import replace

from tests.server.usecases.sign_in_world import CAFE, HOME, NEW, PASSWORD, World

LIMITS = SessionLimits()


@pytest.fixture
async def world() -> World:
    return await World().start()


async def refused(world: World, token: str) -> None:
    with pytest.raises(NotAuthenticated, match=r"^the credential is not valid$"):
        await world.made.identity.refresh(token)


async def test_each_refresh_gives_the_next_pair(world: World) -> None:
    pair = await world.sign_in()
    seen = {pair.refresh_token}
    for generation in range(1, 4):
        world.made.clock.advance(HOUR_US)
        pair = await world.made.identity.refresh(pair.refresh_token)
        seen.add(pair.refresh_token)
        (session,) = world.sessions
        assert (session.generation, session.seen_us) == (generation, world.made.clock.now_us())
        assert (await world.principal(pair)).session_id == session.id
    assert len(seen) == 4


async def test_reuse_ends_the_session_and_is_recorded_once(world: World) -> None:
    first, other = await world.sign_in(), await world.sign_in()
    second = await world.made.identity.refresh(first.refresh_token)
    await refused(world, first.refresh_token)
    await refused(world, second.refresh_token)
    await refused(world, first.refresh_token)
    with pytest.raises(NotAuthenticated):
        await world.principal(second)
    assert (await world.principal(other)).user_id == world.user.id
    assert len(await world.named("refresh_reused")) == 1


async def test_a_session_of_a_user_whose_row_was_altered_lets_nobody_in(world: World) -> None:
    pair = await world.sign_in()
    assert (await world.principal(pair)).user_id == world.user.id
    world.change_user(seal=False, created_us=world.user.created_us + 1)
    with pytest.raises(NotAuthenticated, match=r"^the credential is not valid$"):
        await world.principal(pair)


async def test_of_two_at_the_same_time_one_wins_and_the_other_is_reuse(world: World) -> None:
    pair = await world.sign_in()
    answers = await asyncio.gather(
        *(world.made.identity.refresh(pair.refresh_token) for _ in range(2)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} == {NotAuthenticated, SignedIn}
    assert world.sessions == []


async def test_a_forged_tag_is_refused_and_ends_nothing(world: World) -> None:
    pair = await world.sign_in()
    organization_id, payload = read_token(REFRESH_PREFIX, pair.refresh_token)
    for place in (0, 15, 16, 19, 20, 51):
        changed = bytearray(payload)
        changed[place] ^= 1
        await refused(world, make_token(REFRESH_PREFIX, organization_id, bytes(changed)))
    elsewhere = make_token(REFRESH_PREFIX, UUID(int=7), payload)
    await refused(world, elsewhere)
    with pytest.raises(NotAuthenticated):
        world.made.identity.refresh.session_tokens.read_refresh(elsewhere)
    for text in ("", "glr_", pair.access_token, pair.refresh_token[:-1], pair.refresh_token + "0"):
        await refused(world, text)
    assert len(world.sessions) == 1
    assert await world.named("refresh_reused") == []
    await world.made.identity.refresh(pair.refresh_token)


@pytest.mark.parametrize("case", ["disabled", "closed", "altered", "invited"])
async def test_who_may_not_sign_in_may_not_refresh(world: World, case: str) -> None:
    pair = await world.sign_in()
    match case:
        case "disabled":
            world.change_user(disabled_us=1)
        case "invited":
            world.change_user(password_hash=None)
        case "closed":
            world.close_organization()
        case "altered":
            world.change_user(seal=False, totp_step=9)
    await refused(world, pair.refresh_token)


async def test_a_session_ends_when_it_was_idle_and_when_it_is_old(world: World) -> None:
    pair = await world.sign_in()
    world.made.clock.advance(LIMITS.idle_us - 1)
    pair = await world.made.identity.refresh(pair.refresh_token)
    world.made.clock.advance(LIMITS.idle_us)
    await refused(world, pair.refresh_token)
    pair = await world.sign_in()
    for _ in range(int(LIMITS.absolute_us / HOUR_US / 4) - 1):
        world.made.clock.advance(4 * HOUR_US)
        pair = await world.made.identity.refresh(pair.refresh_token)
    world.made.clock.advance(4 * HOUR_US)
    await refused(world, pair.refresh_token)


async def test_signing_out_ends_this_session_or_all(world: World) -> None:
    pairs = [await world.sign_in() for _ in range(3)]
    sessions = world.made.identity.sessions
    principal = await world.principal(pairs[0])
    await sessions.sign_out(principal, everywhere=False)
    with pytest.raises(NotAuthenticated):
        await world.principal(pairs[0])
    await refused(world, pairs[0].refresh_token)
    await sessions.sign_out(await world.principal(pairs[1]), everywhere=True)
    for pair in pairs:
        with pytest.raises(NotAuthenticated):
            await world.principal(pair)
    assert [one["event"] for one in await world.events()][-2:] == ["signed_out", "sessions_ended"]
    assert world.made.accounts.forgotten[-1] == world.acme.id


async def test_own_sessions_are_listed_and_ended_and_those_of_others_are_not_there(world: World) -> None:
    sessions = world.made.identity.sessions
    first, second = await world.principal(), await world.principal()
    assert {one.id for one in await sessions.all(first)} == {first.session_id, second.session_id}
    assert second.session_id is not None
    stored = world.made.accounts.rows.sessions[second.session_id]
    strangers = UUID(int=5)
    theirs = sealed(world.made.vault, replace(stored, id=strangers, user_id=UUID(int=6)))
    world.made.accounts.rows.sessions[strangers] = theirs
    for session_id in (strangers, UUID(int=1)):
        with pytest.raises(NotFound, match=r"^there is no such session$"):
            await sessions.end(first, session_id)
    await sessions.end(first, second.session_id)
    with pytest.raises(NotFound):
        await sessions.end(first, second.session_id)
    assert [one.id for one in await sessions.all(first)] == [first.session_id]
    world.made.clock.advance(LIMITS.idle_us)
    assert await sessions.all(first) == []


async def test_a_new_password_ends_the_other_sessions_and_the_tokens(world: World) -> None:
    mine, other = await world.sign_in(), await world.sign_in()
    principal = await world.principal(mine)
    token = (await world.made.operate_users.reset_token(world.acme.id, "ann@acme.example")).text
    await world.made.identity.change_password(principal, PASSWORD, NEW, HOME)
    assert (await world.principal(mine)).session_id == principal.session_id
    with pytest.raises(NotAuthenticated):
        await world.principal(other)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.reset(token, PASSWORD + " again", HOME)
    with pytest.raises(NotAuthenticated):
        await world.sign_in()
    await world.sign_in(password=NEW)
    assert len(await world.named("password_changed")) == 1


@pytest.mark.parametrize("new", ["short", "x" * 129, "password1234", "ann@acme ann@acme"])
async def test_a_weak_new_password_changes_nothing(world: World, new: str) -> None:
    principal, before = await world.principal(), world.user
    with pytest.raises(InvalidRequest) as error:
        await world.made.identity.change_password(principal, PASSWORD, new, HOME)
    assert [fault.pointer for fault in error.value.faults] == ["/new_password"]
    assert new not in str(error.value)
    assert world.user == before


async def test_the_present_password_cannot_be_guessed_with_a_stolen_session(world: World) -> None:
    principal, identity = await world.principal(), world.made.identity
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await identity.step_up(principal, "wrong wrong wrong", None, CAFE)
        with pytest.raises(NotAuthenticated):
            await identity.change_password(principal, "wrong wrong wrong", NEW, CAFE)
    with pytest.raises(NotAuthenticated):
        await identity.change_password(principal, "wrong wrong wrong", NEW, CAFE)
    checks = len(world.made.passwords.verified)
    with pytest.raises(TooManyAttempts):
        await identity.change_password(principal, PASSWORD, NEW, CAFE)
    with pytest.raises(TooManyAttempts):
        await identity.step_up(principal, PASSWORD, None, CAFE)
    assert len(world.made.passwords.verified) == checks
    assert principal.session_id == world.sessions[0].id


async def test_a_session_that_ended_meanwhile_changes_nothing(world: World) -> None:
    principal, before = await world.principal(), world.user
    await world.made.identity.sessions.sign_out(principal, everywhere=False)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.change_password(principal, PASSWORD, NEW, HOME)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.step_up(principal, PASSWORD, None, HOME)
    assert world.user == before


async def test_step_up_renews_the_session_and_asks_for_the_code(world: World) -> None:
    await world.with_totp()
    principal = await world.principal(await world.sign_in(code=world.code()))
    world.made.clock.advance(HOUR_US)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.step_up(principal, PASSWORD, None, HOME)
    token = await world.made.identity.step_up(principal, PASSWORD, world.code(), HOME)
    fresh = await world.made.authenticate(token)
    assert (fresh.session_id, fresh.authenticated_us) == (principal.session_id, world.made.clock.now_us())
    with pytest.raises(NotAuthenticated):
        await world.made.identity.step_up(principal, PASSWORD, world.code(), HOME)


async def test_a_refresh_token_is_of_its_user_alone(world: World) -> None:
    """Even where the row of the session had a seal that fits."""
    pair = await world.sign_in()
    (session,) = world.sessions
    moved = sealed(world.made.vault, replace(session, user_id=UUID(int=6)))
    world.made.accounts.rows.sessions[session.id] = moved
    other = replace(world.user, id=moved.user_id, email_index=b"other")
    world.made.accounts.rows.users[other.id] = sealed(world.made.vault, other)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.refresh(pair.refresh_token)
    assert world.made.accounts.rows.sessions[session.id] == moved


async def test_an_altered_session_is_neither_refreshed_nor_sealed_again(world: World) -> None:
    pair = await world.sign_in()
    (session,) = world.sessions
    altered = replace(session, authenticated_us=session.authenticated_us + 1)
    world.made.accounts.rows.sessions[session.id] = altered
    with pytest.raises(NotAuthenticated):
        await world.made.identity.refresh(pair.refresh_token)
    assert world.made.accounts.rows.sessions[session.id] == altered
