"""The second factor: pending, in force, off; secrets sealed, codes spent."""

import pytest
from governlayer_server.domain.access import Role
from governlayer_server.domain.errors import CipherError, InvalidRequest, NotAuthenticated, TooManyAttempts
from governlayer_server.usecases.second_factor import place_of

from tests.server.usecases.sign_in_world import HOME, NEW, PASSWORD, STEP_US, World


@pytest.fixture
async def world() -> World:
    return await World().start()


async def test_a_pending_secret_is_not_in_force(world: World) -> None:
    principal = await world.principal()
    pending = await world.made.identity.totp.begin(principal)
    assert pending.secret in pending.uri
    assert "ann%40acme.example" in pending.uri
    assert pending.secret not in repr(pending)
    await world.sign_in()
    assert pending.secret.encode() not in (world.user.totp_pending or b"")


async def test_confirming_puts_it_in_force_and_ends_the_other_sessions(world: World) -> None:
    other = await world.sign_in()
    principal = await world.with_totp()
    assert [one.id for one in world.sessions] == [principal.session_id]
    with pytest.raises(NotAuthenticated):
        await world.principal(other)
    assert len(set(world.recovery)) == len(world.user.recovery) == 10
    assert world.user.totp_pending is None
    stored = repr(world.user)
    assert all(code not in stored and code.replace("-", "") not in stored for code in world.recovery)
    assert len(await world.named("totp_enabled")) == 1


async def test_a_secret_opens_at_its_own_place_only(world: World) -> None:
    await world.with_totp()
    sealed = world.user.totp_sealed
    assert sealed is not None
    assert (await world.made.vault.open(place_of(world.user, "totp_sealed"), sealed)).decode() == world.secret
    with pytest.raises(CipherError):
        await world.made.vault.open(place_of(world.user, "totp_pending"), sealed)


async def test_the_code_that_confirmed_does_not_sign_in(world: World) -> None:
    await world.with_totp()
    with pytest.raises(NotAuthenticated):
        await world.sign_in(code=world.code(-1))
    await world.sign_in(code=world.code())


async def test_a_wrong_code_confirms_nothing(world: World) -> None:
    principal, totp = await world.principal(), world.made.identity.totp
    with pytest.raises(InvalidRequest):
        await totp.confirm(principal, "123456")
    world.secret = (await totp.begin(principal)).secret
    wrong = f"{(int(world.code()) + 1) % 10**6:06}"
    with pytest.raises(InvalidRequest) as error:
        await totp.confirm(principal, wrong)
    assert [fault.pointer for fault in error.value.faults] == ["/code"]
    assert world.user.totp_sealed is None
    for _ in range(8):
        with pytest.raises(InvalidRequest):
            await totp.confirm(principal, wrong)
    with pytest.raises(TooManyAttempts):
        await totp.confirm(principal, world.code())


async def test_taking_it_off_needs_a_code_and_cannot_be_guessed(world: World) -> None:
    principal, totp = await world.with_totp(), world.made.identity.totp
    wrong = f"{(int(world.code()) + 1) % 10**6:06}"
    for _ in range(10):
        with pytest.raises(NotAuthenticated):
            await totp.remove(principal, wrong)
    with pytest.raises(TooManyAttempts):
        await totp.remove(principal, world.code())
    assert world.user.totp_sealed is not None
    world.made.clock.advance(30 * STEP_US)
    await totp.remove(principal, world.code())
    assert (world.user.totp_sealed, world.user.recovery) == (None, ())
    await world.sign_in()
    with pytest.raises(NotAuthenticated):
        await totp.remove(principal, world.code(1))
    assert [one["event"] for one in await world.events()][-2:] == ["totp_disabled", "signed_in"]


async def test_a_recovery_code_takes_it_off(world: World) -> None:
    principal = await world.with_totp()
    await world.made.identity.totp.remove(principal, world.recovery[3])
    await world.sign_in()


async def test_setting_up_again_leaves_the_one_in_force_until_confirmed(world: World) -> None:
    principal = await world.with_totp()
    await world.made.identity.totp.begin(principal, world.recovery[0])
    with pytest.raises(NotAuthenticated):
        await world.sign_in()
    await world.sign_in(code=world.code())


async def test_a_second_factor_is_replaced_only_with_a_code_of_it(world: World) -> None:
    principal, totp, old = await world.with_totp(), world.made.identity.totp, world.secret
    before = world.user
    for wrong in (None, "123456", world.code(-1)):
        with pytest.raises(NotAuthenticated):
            await totp.begin(principal, wrong)
    assert world.user == before
    code = world.code()
    world.secret = (await totp.begin(principal, code)).secret
    with pytest.raises(NotAuthenticated):
        await totp.begin(principal, code)
    await totp.confirm(principal, world.code())
    assert world.secret != old


async def test_codes_for_replacing_the_second_factor_are_not_guessed(world: World) -> None:
    principal = await world.with_totp()
    refused = []
    for _ in range(20):
        with pytest.raises((NotAuthenticated, TooManyAttempts)) as error:
            await world.made.identity.totp.begin(principal, "123456")
        refused.append(error.type)
    assert refused[-1] is TooManyAttempts


@pytest.mark.parametrize("act", ["begin", "confirm", "remove", "end", "sign_out", "change", "step_up"])
async def test_an_altered_row_is_neither_trusted_nor_sealed_again(world: World, act: str) -> None:
    pending = await world.principal()
    world.secret = (await world.made.identity.totp.begin(pending)).secret
    if act == "remove":
        await world.made.identity.totp.confirm(pending, world.code())
        world.made.clock.advance(STEP_US)
    world.change_user(seal=False, role=Role.VIEWER)
    before, identity = world.user, world.made.identity
    acts = {
        "begin": lambda: identity.totp.begin(pending),
        "confirm": lambda: identity.totp.confirm(pending, world.code()),
        "remove": lambda: identity.totp.remove(pending, world.code()),
        "end": lambda: identity.sessions.end(pending, pending.session_id or pending.user_id),
        "sign_out": lambda: identity.sessions.sign_out(pending, everywhere=False),
        "change": lambda: identity.change_password(pending, PASSWORD, NEW, HOME),
        "step_up": lambda: identity.step_up(pending, PASSWORD, None, HOME),
    }
    with pytest.raises(NotAuthenticated):
        await acts[act]()
    assert world.user == before
    assert len(world.sessions) == 1
