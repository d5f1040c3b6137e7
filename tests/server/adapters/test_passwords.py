"""Passwords: nothing is cut, nothing ends early, nothing blocks."""

import asyncio

import bcrypt
import pytest
from governlayer_server.adapters.crypto.passwords import COST, BcryptPasswords

PEPPER = bytes(range(32))
CHEAP = 4


@pytest.fixture
def passwords() -> BcryptPasswords:
    return BcryptPasswords(PEPPER, CHEAP)


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


def test_the_pepper_is_not_shown(passwords: BcryptPasswords) -> None:
    assert repr(passwords) == "BcryptPasswords(cost=4)"
