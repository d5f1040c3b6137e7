"""What a sign-in spends from: guessing is slow, and strangers cannot lock an account's owner out for good."""

import pytest
from governlayer_server.domain.network import address_group
from governlayer_server.domain.sign_in_throttle import (
    FAMILIAR_S,
    Bucket,
    Counts,
    familiar_place,
    sign_in_buckets,
)
from hypothesis import given
from hypothesis import strategies as st

ANN, BOB = bytes(range(32)), bytes(range(1, 33))
HOME, CAFE = "192.0.2.7", "198.51.100.9"
addresses = st.ip_addresses().map(str)
accounts = st.binary(min_size=32, max_size=32)


def names(*buckets: Bucket) -> set[str]:
    return {bucket.name for bucket in buckets}


def limits(buckets: tuple[Bucket, ...]) -> list[tuple[int, int, str]]:
    return [(bucket.limit, bucket.window_s, bucket.counts.value) for bucket in buckets]


def test_the_limits_are_those_of_the_contract() -> None:
    own = [(20, 60, "attempts"), (100, 3600, "attempts"), (5, 900, "failures")]
    assert limits(sign_in_buckets(ANN, HOME, familiar=True)) == own
    assert limits(sign_in_buckets(ANN, HOME, familiar=False)) == [*own, (20, 900, "failures")]
    assert FAMILIAR_S == 30 * 86_400


@given(accounts, st.lists(addresses, max_size=30), addresses)
def test_strangers_cannot_touch_what_the_owner_spends_from_at_a_familiar_place(
    account: bytes, strangers: list[str], home: str
) -> None:
    owner = names(*sign_in_buckets(account, home, familiar=True))
    for stranger in strangers:
        if address_group(stranger) != address_group(home):
            assert not owner & names(*sign_in_buckets(account, stranger, familiar=False))


@given(accounts, addresses, st.booleans())
def test_every_bucket_empties_within_an_hour_and_names_no_more_than_it_must(
    account: bytes, address: str, familiar: bool
) -> None:
    buckets = sign_in_buckets(account, address, familiar=familiar)
    assert all(0 < bucket.window_s <= 3600 and bucket.limit > 0 for bucket in buckets)
    assert len(names(*buckets)) == len(buckets)
    assert all("@" not in bucket.name and len(bucket.name) < 200 and bucket.name.isascii() for bucket in buckets)


def test_guessing_at_one_account_from_many_addresses_spends_from_one_bucket() -> None:
    shared = names(*sign_in_buckets(ANN, HOME, familiar=False)) & names(*sign_in_buckets(ANN, CAFE, familiar=False))
    assert len(shared) == 1
    (bucket,) = [one for one in sign_in_buckets(ANN, HOME, familiar=False) if one.name in shared]
    assert (bucket.limit, bucket.window_s, bucket.counts) == (20, 900, Counts.FAILURES)


def test_trying_many_accounts_from_one_address_spends_from_the_address() -> None:
    shared = names(*sign_in_buckets(ANN, HOME, familiar=False)) & names(*sign_in_buckets(BOB, HOME, familiar=True))
    assert len(shared) == 2
    assert all("account" not in name for name in shared)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::1%eth1", True),
        ("::ffff:192.0.2.7", HOME, True),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8", False),
        (HOME, "192.0.2.8", False),
        ("", "not an address", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_what_is_one_address(one: str, other: str, same: bool) -> None:
    assert (address_group(one) == address_group(other)) == same
    assert (familiar_place(ANN, one) == familiar_place(ANN, other)) == same


def test_what_is_no_address_does_not_get_into_a_name() -> None:
    assert address_group("ann@example.org") == address_group("x" * 10_000) == "unknown"


def test_a_familiar_place_is_one_of_account_and_address() -> None:
    places = {familiar_place(account, address) for account in (ANN, BOB) for address in (HOME, CAFE)}
    assert len(places) == 4
