"""Passwords: nothing is cut, nothing ends early, nothing blocks."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import bcrypt
import pytest
from governlayer_server.adapters.crypto.passwords import COST, BcryptPasswords
from governlayer_server.domain.errors import ConfigurationError, InvalidRequest, Overloaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PEPPER = bytes(range(32))
CHEAP = 4
NOBODY = "$2b$04$" + "." * 53  # well formed
DAMAGED = [
    "", "x", "correct horse", "$2b$04$", NOBODY[:-1], NOBODY + ".", NOBODY + "\n", " " + NOBODY, NOBODY[:-1] + "é",
    NOBODY[:-1] + "\0", NOBODY[:-1] + "\ud800", "$2b$4$" + "." * 53, "$2b$xx$" + "." * 53, "$2b$03$" + "." * 53,
    "$2b$17$" + "." * 53, "$2b$31$" + "." * 53, "$2b$99$" + "." * 53, "$2x$04$" + "." * 53, "$2b$04$" + "z" * 53,
    "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA", NOBODY * 1000, "$2b$\u0664\u0664$" + "." * 53,
]  # fmt: skip
SURROGATES = ["correct \ud800horse", "\udfff" * 12, "\ud83d\ude00 correct horse"]


@pytest.fixture
def passwords() -> BcryptPasswords:
    return BcryptPasswords(PEPPER, CHEAP)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rounds of each check that bcrypt is asked for."""
    asked: list[int] = []
    check = bcrypt.checkpw

    def counted(password: bytes, stored: bytes) -> bool:
        asked.append(2 ** int(stored[4:6]))
        return check(password, stored)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return asked


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Checks and hashes that run do not end before this is set."""
    release, hashpw = threading.Event(), bcrypt.hashpw

    def hash_(password: bytes, salt: bytes) -> bytes:
        release.wait(60)
        return hashpw(password, salt)

    def check(password: bytes, stored: bytes) -> bool:
        return release.wait(60)

    monkeypatch.setattr(bcrypt, "checkpw", check)
    monkeypatch.setattr(bcrypt, "hashpw", hash_)
    yield release
    release.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("a" * 72 + "b", "a" * 72 + "c"),
        ("a" * 72, "a" * 73),
        ("a" * 128, "a" * 127),
        ("before\0after", "before\0other"),
        ("before\0after", "before"),
        ("\0" * 12, "\0" * 13),
        ("😀" * 64, "😀" * 63 + "😁"),
        ("😀" * 19, "😀" * 18 + "😁"),
        ("correct horse", "Correct horse"),
        ("correct horse", "correct horse "),
        ("passw\u00f6rd-long", "passwo\u0308rd-long"),
        ("x" * 12, ""),
    ],
)
async def test_a_password_is_told_from_one_that_differs_anywhere(
    passwords: BcryptPasswords, password: str, other: str
) -> None:
    stored = await passwords.hash(password)
    assert await passwords.verify(password, stored)
    assert not await passwords.verify(other, stored)


async def test_a_hash_is_bcrypt_with_a_fresh_salt_and_does_not_hold_the_password(passwords: BcryptPasswords) -> None:
    one, other = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert one.startswith(f"$2b${CHEAP:02d}$")
    assert len(one) == 60
    assert one != other


async def test_a_hash_is_useless_without_the_pepper(passwords: BcryptPasswords) -> None:
    stored = await passwords.hash("correct horse")
    assert not await BcryptPasswords(bytes(32), CHEAP).verify("correct horse", stored)
    assert not bcrypt.checkpw(b"correct horse", stored.encode())


async def test_the_default_cost_is_at_least_twelve_and_the_event_loop_goes_on_meanwhile() -> None:
    assert COST >= 12
    hashing = asyncio.create_task(BcryptPasswords(PEPPER).hash("correct horse"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert (await hashing).startswith(f"$2b${COST}$")
    assert turns >= 10


@pytest.mark.parametrize("password", SURROGATES)
async def test_a_lone_surrogate_is_refused_for_a_new_password_and_matches_none(
    passwords: BcryptPasswords, password: str, rounds: list[int]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await passwords.hash(password)
    assert "horse" not in str(refused.value)
    stored = await passwords.hash("correct horse")
    assert not await passwords.verify(password, stored)
    assert rounds == [2**CHEAP]


async def test_an_unknown_user_and_a_damaged_hash_take_the_work_of_a_real_check(rounds: list[int]) -> None:
    passwords = BcryptPasswords(PEPPER, 6)
    genuine = await passwords.hash("correct horse")
    for stored, right in [(genuine, True), (None, False), *((damaged, False) for damaged in DAMAGED)]:
        rounds.clear()
        assert await passwords.verify("correct horse", stored) is right
        assert sum(rounds) == 2**6


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(max_size=200), st.text(max_size=80) | st.from_regex(r"\A\$2[abxy]\$0[4-6]\$[./A-Za-z0-9]{50,55}\Z"))
async def test_any_password_and_any_stored_text_give_an_answer(
    passwords: BcryptPasswords, password: str, stored: str
) -> None:
    assert await passwords.verify(password, stored) is False


@pytest.mark.parametrize("cost", [4, 5, 6, 7])
async def test_a_hash_of_a_lower_cost_is_made_up_for_and_is_to_be_raised(cost: int, rounds: list[int]) -> None:
    stored = await BcryptPasswords(PEPPER, cost).hash("correct horse")
    passwords = BcryptPasswords(PEPPER, 7)
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("another horse", stored)
    assert sum(rounds) == 2 * 2**7
    assert passwords.needs_rehash(stored) is (cost < 7)


@pytest.mark.parametrize("stored", DAMAGED)
def test_a_damaged_hash_is_not_to_be_raised(passwords: BcryptPasswords, stored: str) -> None:
    assert not BcryptPasswords(PEPPER, 7).needs_rehash(stored)


@pytest.mark.parametrize("stored", ["$2b$06$", "$2a$06$", "$2y$06$"])
def test_a_hash_of_a_higher_cost_than_the_setting_stays(stored: str) -> None:
    assert not BcryptPasswords(PEPPER, 5).needs_rehash(stored + "." * 53)
    assert BcryptPasswords(PEPPER, 7).needs_rehash(stored + "." * 53)


@pytest.mark.parametrize("cost", [-1, 0, 3, 17, 31])
def test_a_cost_that_bcrypt_does_not_have_or_nobody_can_wait_for_is_refused(cost: int) -> None:
    with pytest.raises(ConfigurationError, match="cost"):
        BcryptPasswords(PEPPER, cost)


@pytest.mark.parametrize("threads", [1, 2])
async def test_no_more_wait_than_there_are_places(threads: int, held: threading.Event) -> None:
    passwords = BcryptPasswords(PEPPER, CHEAP, threads=threads)
    waiting = [asyncio.create_task(passwords.verify("correct horse", NOBODY)) for _ in range(threads + 16)]
    await asyncio.sleep(0)
    for _ in range(3):
        with pytest.raises(Overloaded):
            await passwords.verify("correct horse", NOBODY)
        with pytest.raises(Overloaded):
            await passwords.verify("correct horse", None)
        with pytest.raises(Overloaded):
            await passwords.hash("correct horse")
    held.set()
    assert all(await asyncio.gather(*waiting))
    assert await passwords.verify("correct horse", NOBODY)


@pytest.mark.parametrize("threads", [1, 4])
async def test_new_passwords_leave_room_for_those_who_sign_in(threads: int, held: threading.Event) -> None:
    passwords = BcryptPasswords(PEPPER, CHEAP, threads=threads)
    half = (threads + 16) // 2
    new = [asyncio.create_task(passwords.hash("correct horse")) for _ in range(half)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.hash("correct horse")
    checks = [asyncio.create_task(passwords.verify("correct horse", NOBODY)) for _ in range(threads + 16 - half)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.verify("correct horse", NOBODY)
    held.set()
    await asyncio.gather(*new, *checks)
    assert (await passwords.hash("correct horse")).startswith("$2b$")


async def test_who_goes_away_while_waiting_makes_room_and_who_is_being_served_does_not(held: threading.Event) -> None:
    passwords = BcryptPasswords(PEPPER, CHEAP, threads=1, waiting=2)
    tasks = [asyncio.create_task(passwords.verify("correct horse", NOBODY)) for _ in range(3)]
    await until(lambda: passwords._threads._work_queue.qsize() == 2)
    tasks[2].cancel()
    await asyncio.gather(tasks[2], return_exceptions=True)
    tasks.append(asyncio.create_task(passwords.verify("correct horse", NOBODY)))
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(tasks[0], return_exceptions=True)
    with pytest.raises(Overloaded):
        await passwords.verify("correct horse", NOBODY)
    held.set()
    assert [await tasks[1], await tasks[3]] == [True, True]


async def test_closed_it_drops_what_waits(held: threading.Event) -> None:
    passwords = BcryptPasswords(PEPPER, CHEAP)
    tasks = [asyncio.create_task(passwords.verify("correct horse", NOBODY)) for _ in range(3)]
    await until(lambda: passwords._threads._work_queue.qsize() == 2)
    passwords.close()
    held.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] is True
    assert all(isinstance(result, asyncio.CancelledError) for result in results[1:])


def test_the_pepper_is_not_shown(passwords: BcryptPasswords) -> None:
    assert repr(passwords) == "BcryptPasswords(cost=4)"
