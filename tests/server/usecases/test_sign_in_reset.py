"""A forgotten password, and what the operator does: one-time links that tell nobody which accounts exist."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from governlayer_server.domain.account import Purpose, UserStatus
from governlayer_server.domain.errors import InvalidRequest, NotAuthenticated, NotFound, TooManyAttempts
from governlayer_server.usecases.one_time_tokens import OneTimeTokens
from governlayer_server.usecases.reset_password import RESET_LIFE_US
from msgspec.structs import replace

from tests.fakes.appliance import PUBLIC_URL
from tests.server.usecases.sign_in_world import EMAIL, HOME, NEW, PASSWORD, World


@pytest.fixture
async def world() -> World:
    return await World().start()


async def token_for(world: World, email: str = EMAIL) -> str:
    return (await world.made.operate_users.reset_token(world.acme.id, email)).text


async def test_the_letter_goes_to_the_stored_address_and_its_link_works_once(world: World) -> None:
    await world.made.identity.forgot(EMAIL.upper(), HOME)
    assert world.made.mailer.sent == []
    await world.made.later.now()
    ((address, _, text),) = world.made.mailer.sent
    assert address == EMAIL
    found = re.search(rf"^{PUBLIC_URL}/reset#token=(glt_[0-9A-Za-z]+)$", text, re.MULTILINE)
    assert found
    pair = await world.sign_in()
    await world.made.identity.reset(found[1], NEW, HOME)
    with pytest.raises(NotAuthenticated):
        await world.principal(pair)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.reset(found[1], NEW + "!", HOME)
    await world.sign_in(password=NEW)
    assert [one["event"] for one in await world.events()] == [
        "reset_link_sent", "signed_in", "password_reset", "signed_in",
    ]  # fmt: skip


@pytest.mark.parametrize("case", ["unknown", "disabled", "invited", "closed", "altered"])
async def test_no_letter_goes_to_who_may_not_sign_in_and_nobody_is_told(world: World, case: str) -> None:
    match case:
        case "disabled":
            world.change_user(disabled_us=1)
        case "invited":
            world.change_user(password_hash=None)
        case "closed":
            world.close_organization()
        case "altered":
            world.change_user(seal=False, totp_step=4)
    await world.made.identity.forgot("nobody@acme.example" if case == "unknown" else EMAIL, HOME)
    await world.made.later.now()
    assert world.made.mailer.sent == []
    assert world.made.accounts.rows.tokens == {}


async def test_letters_are_few(world: World) -> None:
    for _ in range(20):
        await world.made.identity.forgot(EMAIL, HOME)
    await world.made.later.now()
    assert len(world.made.mailer.sent) == 3
    with pytest.raises(TooManyAttempts):
        await world.made.identity.forgot("nobody@acme.example", HOME)


async def test_a_reset_makes_a_hash_whether_or_not_the_token_is_valid(world: World) -> None:
    token = await token_for(world)
    tokens = OneTimeTokens(vault=world.made.vault, clock=world.made.clock, entropy=world.made.entropy)
    unknown = tokens.make(world.acme.id, Purpose.RESET, world.user.id, RESET_LIFE_US).text
    nobodys = tokens.make(None, Purpose.RESET, world.user.id, RESET_LIFE_US).text
    for wrong in (unknown, nobodys):
        before = world.made.passwords.hashed
        with pytest.raises(NotAuthenticated, match=r"^the credential is not valid$"):
            await world.made.identity.reset(wrong, NEW, HOME)
        assert world.made.passwords.hashed == before + 1
    before = world.made.passwords.hashed
    await world.made.identity.reset(token, NEW, HOME)
    assert world.made.passwords.hashed == before + 1


async def test_resets_are_throttled_before_hashing(world: World) -> None:
    tokens = OneTimeTokens(vault=world.made.vault, clock=world.made.clock, entropy=world.made.entropy)
    for _ in range(20):
        wrong = tokens.make(world.acme.id, Purpose.RESET, world.user.id, RESET_LIFE_US).text
        with pytest.raises(NotAuthenticated):
            await world.made.identity.reset(wrong, NEW, HOME)
    hashed = world.made.passwords.hashed
    with pytest.raises(TooManyAttempts):
        await world.made.identity.reset(await token_for(world), NEW, HOME)
    assert world.made.passwords.hashed == hashed


@pytest.mark.parametrize("case", ["late", "purpose", "disabled", "closed", "altered"])
async def test_a_token_that_does_not_count_sets_nothing(world: World, case: str) -> None:
    token = await token_for(world)
    match case:
        case "late":
            world.made.clock.advance(RESET_LIFE_US)
        case "purpose":
            tokens = OneTimeTokens(vault=world.made.vault, clock=world.made.clock, entropy=world.made.entropy)
            made = tokens.make(world.acme.id, Purpose.JOIN, world.user.id, RESET_LIFE_US)
            async with world.made.accounts.tenant(world.acme.id) as tenant:
                await tenant.tokens.add(made.stored)
            token = made.text
        case "disabled":
            world.change_user(disabled_us=1)
        case "closed":
            world.close_organization()
        case "altered":
            world.change_user(seal=False, totp_step=4)
    before = world.user
    with pytest.raises(NotAuthenticated):
        await world.made.identity.reset(token, NEW, HOME)
    assert world.user == before


@pytest.mark.parametrize("new", ["short", "password1234", "ann@acme ann@acme"])
async def test_a_weak_password_leaves_the_token_as_it_was(world: World, new: str) -> None:
    token = await token_for(world)
    with pytest.raises(InvalidRequest):
        await world.made.identity.reset(token, new, HOME)
    await world.made.identity.reset(token, NEW, HOME)


async def test_the_second_factor_stays_in_force(world: World) -> None:
    await world.with_totp()
    await world.made.identity.reset(await token_for(world), NEW, HOME)
    with pytest.raises(NotAuthenticated):
        await world.sign_in(password=NEW)
    await world.sign_in(password=NEW, code=world.code())


async def test_a_new_token_does_not_outlive_a_reset(world: World) -> None:
    first, second = await token_for(world), await token_for(world)
    await world.made.identity.reset(first, NEW, HOME)
    with pytest.raises(NotAuthenticated):
        await world.made.identity.reset(second, PASSWORD + "!", HOME)


async def test_an_owner_without_a_password_takes_up_the_account(world: World) -> None:
    world.change_user(password_hash=None)
    await world.made.identity.reset(await token_for(world), NEW, HOME)
    assert world.user.status is UserStatus.ACTIVE
    await world.sign_in(password=NEW)


async def test_the_operator_disables_and_enables(world: World) -> None:
    operate, pair, token = world.made.operate_users, await world.sign_in(), await token_for(world)
    await operate.disable(world.acme.id, EMAIL)
    for refused in (world.principal(pair), world.sign_in(), world.made.identity.reset(token, NEW, HOME)):
        with pytest.raises(NotAuthenticated):
            await refused
    with pytest.raises(InvalidRequest):
        await token_for(world)
    await operate.enable(world.acme.id, EMAIL)
    with pytest.raises(NotAuthenticated):
        await world.principal(pair)
    await world.sign_in()
    assert [one["event"] for one in await world.events()] == [
        "signed_in", "reset_link_made", "disabled", "enabled", "signed_in",
    ]  # fmt: skip


async def test_the_operator_takes_off_a_lost_second_factor(world: World) -> None:
    await world.with_totp()
    await world.made.operate_users.remove_totp(world.acme.id, EMAIL)
    assert world.sessions == []
    await world.sign_in()
    assert len(await world.named("totp_removed")) == 1


async def test_the_operator_seals_no_altered_row_and_finds_no_strangers(world: World) -> None:
    assert [(user.id, email) for user, email in await world.made.operate_users.all(world.acme.id)] == [
        (world.user.id, EMAIL)
    ]
    with pytest.raises(NotFound):
        await world.made.operate_users.disable(world.acme.id, "nobody@acme.example")
    world.change_user(seal=False, password_hash=b"$2b$04$" + b"." * 53)
    for act in ("disable", "enable", "remove_totp", "reset_token"):
        with pytest.raises(InvalidRequest):
            await getattr(world.made.operate_users, act)(world.acme.id, EMAIL)


class Watching:
    """Stands for a part, and notes what *seen* says when one of its methods is called."""

    def __init__(self, part: Any, seen: Callable[[], Any]) -> None:
        self._part, self._seen = part, seen
        self.noted: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        self.noted.append((name, self._seen()))
        return getattr(self._part, name)


async def test_a_new_password_is_judged_while_no_row_is_locked(world: World) -> None:
    reset, token = world.made.identity.reset, await token_for(world)
    common = Watching(reset.new_password.common, world.made.accounts._turn.locked)
    await replace(reset, new_password=replace(reset.new_password, common=common))(token, NEW, HOME)
    assert common.noted
    assert {locked for _, locked in common.noted} == {False}


async def test_the_address_of_a_letter_is_read_before_the_ledger_is_held(world: World) -> None:
    forgot, events = world.made.identity.forgot, len(await world.events())
    ledger = world.made.ledger
    vault = Watching(forgot.vault, lambda: ledger.snapshot()[str(world.acme.id)][1])
    await replace(forgot, vault=vault)(EMAIL, HOME)
    await world.made.later.now()
    assert len(await world.events()) == events + 1
    opened = [size for name, size in vault.noted if name == "open"]
    assert opened == [vault.noted[0][1]]
