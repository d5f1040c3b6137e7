"""Signing in: one answer and one check of a password for all that is wrong, and what a success leaves behind."""

from typing import Any
from uuid import UUID

import pytest
from governlayer_server.adapters.crypto.passwords import BcryptPasswords
from governlayer_server.adapters.crypto.vault import EnvelopeVault
from governlayer_server.domain.errors import GovernLayerError, NotAuthenticated, Overloaded, TooManyAttempts
from governlayer_server.domain.sign_in_throttle import FAMILIAR_S
from governlayer_server.usecases.password_hashes import open_hash
from governlayer_server.usecases.second_factor import recovery_fingerprints

from tests.fakes.account_store import MemoryAccountStore, MemoryTenant, MemoryUsers
from tests.fakes.appliance import PEPPER
from tests.fakes.identity import CountedPasswords
from tests.server.usecases.sign_in_world import CAFE, EMAIL, HOME, PASSWORD, STEP_US, World

US = 1_000_000


@pytest.fixture
async def world() -> World:
    return await World().start()


async def refused(world: World, **given: Any) -> str:
    with pytest.raises(NotAuthenticated) as error:
        await world.sign_in(**given)
    return str(error.value)


async def test_a_sign_in_gives_a_session_and_is_on_the_ledger(world: World) -> None:
    signed_in = await world.sign_in()
    principal = await world.principal(signed_in)
    (session,) = world.sessions
    assert (principal.session_id, principal.user_id) == (session.id, world.user.id)
    assert principal.authenticated_us == session.authenticated_us == world.made.clock.now_us()
    assert await world.events() == [
        {"event": "signed_in", "second_factor": "none", "session_id": str(session.id), "user_id": str(world.user.id)}
    ]
    assert PASSWORD not in repr(signed_in) + repr(principal)
    assert signed_in.refresh_token not in repr(signed_in)


async def test_the_address_is_the_same_in_other_letters(world: World) -> None:
    await world.sign_in(email=EMAIL.upper())
    assert len(world.sessions) == 1


ALTERATIONS: dict[str, dict[str, Any]] = {
    "invited": {"password_hash": None}, "disabled": {"disabled_us": 1}, "altered": {"seal": False, "email_sealed": b"x"},
}  # fmt: skip
TYPED: dict[str, dict[str, Any]] = {
    "unknown": {"email": "nobody@acme.example"}, "wrong": {"password": PASSWORD + "!"}, "short": {"password": "short"},
    "long": {"password": PASSWORD * 40}, "no code": {}, "wrong code": {"code": "000000"}, "odd code": {"code": "\0é" * 9},
}  # fmt: skip


async def make(world: World, case: str) -> dict[str, Any]:
    """Bring *case* about; return what to type."""
    if case == "closed":
        world.close_organization()
    if "code" in case:
        await world.with_totp()
    if case in ALTERATIONS:
        world.change_user(**ALTERATIONS[case])
    return TYPED.get(case, {})


@pytest.mark.parametrize("case", [*TYPED, *ALTERATIONS, "closed"])
async def test_whatever_is_wrong_costs_one_check_and_gets_one_answer(world: World, case: str) -> None:
    given = await make(world, case)
    before, verified = list(world.sessions), len(world.made.passwords.verified)
    hashed, size = world.made.passwords.hashed, len(await world.events())
    assert await refused(world, **given) == "the credential is not valid"
    assert len(world.made.passwords.verified) == verified + 1
    assert world.made.passwords.hashed == hashed
    assert world.sessions == before
    assert len(await world.events()) == size
    # No real hash is compared where the account may not sign in.
    if case in {"unknown", "invited", "disabled", "closed", "altered", "short", "long"}:
        assert world.made.passwords.verified[-1] is None


async def test_an_unknown_account_costs_the_work_of_a_known_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noted(kind: type, name: str) -> None:
        real = getattr(kind, name)

        def spy(*given: Any, **named: Any) -> Any:
            done.append(f"{name} {given[1]}" if name == "fingerprints" else name)
            return real(*given, **named)

        monkeypatch.setattr(kind, name, spy)

    noted(MemoryAccountStore, "organization_of_user")
    noted(MemoryAccountStore, "tenant")
    noted(MemoryUsers, "by_email")
    noted(MemoryUsers, "is_familiar")
    noted(MemoryTenant, "organization")
    noted(EnvelopeVault, "fingerprints")
    work = []
    for case in ("wrong", "unknown"):
        done.clear()
        await refused(world, **TYPED[case])
        work.append(list(done))
    assert work[0] == work[1]
    assert {"tenant", "by_email", "is_familiar", "organization", "fingerprints row/User"} <= set(work[0])


async def test_a_hash_of_a_lower_cost_is_made_again_at_the_sign_in(world: World) -> None:
    before = await open_hash(world.made.vault, world.user)
    world.made.passwords.inner = BcryptPasswords(PEPPER, 5)
    await world.sign_in()
    after, sealed = await open_hash(world.made.vault, world.user), world.user.password_hash
    assert (before or "").startswith("$2b$04$")
    assert (after or "").startswith("$2b$05$")
    await world.sign_in()
    assert world.user.password_hash == sealed


async def test_too_much_at_once_is_no_failure(world: World) -> None:
    world.made.passwords.failure = Overloaded("full")
    for _ in range(10):
        with pytest.raises(Overloaded):
            await world.sign_in(password="wrong wrong wrong")
    world.made.passwords.failure = None
    await world.sign_in()


async def test_no_session_without_its_record(world: World) -> None:
    world.made.ledger.failure = GovernLayerError("the ledger is away")
    with pytest.raises(GovernLayerError):
        await world.sign_in()
    assert world.sessions == []


@pytest.mark.parametrize("email", [EMAIL, "nobody@acme.example"])
async def test_after_five_failures_nothing_is_hashed_for_anybody(world: World, email: str) -> None:
    for _ in range(5):
        await refused(world, email=email, password="wrong wrong wrong")
    checks = len(world.made.passwords.verified)
    with pytest.raises(TooManyAttempts) as error:
        await world.sign_in(email=email)
    assert (error.value.retry_after_s, len(world.made.passwords.verified)) == (900, checks)
    world.made.clock.advance(900 * US)
    if email == EMAIL:
        await world.sign_in(email=email)
    else:
        await refused(world, email=email)


async def test_successes_do_not_use_up_failures(world: World) -> None:
    for _ in range(15):
        await world.sign_in()


async def test_an_address_has_twenty_attempts_a_minute_whoever_it_asks_for(world: World) -> None:
    for number in range(20):
        await refused(world, email=f"user{number}@acme.example")
    with pytest.raises(TooManyAttempts):
        await world.sign_in()
    await world.sign_in(address=CAFE)


async def test_strangers_cannot_lock_the_owner_out_of_a_familiar_place(world: World) -> None:
    await world.sign_in(address=HOME)
    for number in range(20):
        await refused(world, password="wrong wrong wrong", address=f"203.0.113.{number}")
    with pytest.raises(TooManyAttempts):
        await world.sign_in(address=CAFE)
    await world.sign_in(address=HOME)


async def test_a_place_is_familiar_for_thirty_days(world: World) -> None:
    await world.sign_in(address=HOME)
    world.made.clock.advance((FAMILIAR_S + 1) * US)
    for number in range(20):
        await refused(world, password="wrong wrong wrong", address=f"203.0.113.{number}")
    with pytest.raises(TooManyAttempts):
        await world.sign_in(address=HOME)


async def test_a_failed_sign_in_makes_no_place_familiar(world: World) -> None:
    await refused(world, password="wrong wrong wrong", address=CAFE)
    assert world.made.accounts.rows.addresses == {}


async def test_a_code_is_good_once_and_only_with_the_password(world: World) -> None:
    await world.with_totp()
    code = world.code()
    await refused(world, password="wrong wrong wrong", code=code)
    await world.sign_in(code=code)
    assert await refused(world, code=code) == "the credential is not valid"
    world.made.clock.advance(STEP_US)
    await refused(world, code=code)
    await world.sign_in(code=world.code())
    assert [one["second_factor"] for one in await world.named("signed_in")] == ["none", "totp", "totp"]


async def test_a_recovery_code_is_good_once_and_the_others_stay(world: World) -> None:
    await world.with_totp()
    first, second, *_ = world.recovery
    await world.sign_in(code=first.upper().replace("-", " "))
    await refused(world, code=first)
    await world.sign_in(code=second)
    assert len(world.user.recovery) == 8
    assert [one["second_factor"] for one in await world.named("signed_in")][1:] == ["recovery_code"] * 2


async def test_a_recovery_code_of_another_user_opens_nothing(world: World) -> None:
    await world.with_totp()
    theirs = recovery_fingerprints(world.made.vault, UUID(int=9), world.recovery[0].replace("-", ""))[0]
    world.change_user(recovery=(theirs,))
    await refused(world, code=world.recovery[0])


@pytest.mark.parametrize(
    "change", [{"disabled_us": 1}, {"password_hash": b"$2b$04$" + b"." * 53}], ids=lambda one: next(iter(one))
)
async def test_what_changed_while_the_password_was_checked_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    async def slow(_: CountedPasswords, password: str, stored: str | None) -> bool:
        world.change_user(**change)
        return True

    monkeypatch.setattr(CountedPasswords, "verify", slow)
    await refused(world)
    assert world.sessions == []
