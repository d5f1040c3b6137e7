"""API keys: form and checksum (API contract §2)."""

import re
import string
import zlib

import pytest
from governlayer_server.domain.api_key import check_api_key, make_api_key, shown_prefix
from governlayer_server.domain.errors import NotAuthenticated
from hypothesis import given
from hypothesis import strategies as st

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
randomness = st.binary(min_size=32, max_size=32)


def number_of(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 62 + ALPHABET.index(digit)
    return number


@given(randomness)
def test_a_key_has_the_form_of_the_contract(drawn: bytes) -> None:
    key = make_api_key(drawn)
    assert re.fullmatch(r"gl_[0-9A-Za-z]{36}", key)
    assert number_of(key[-6:]) == zlib.crc32(key[:-6].encode())
    assert number_of(key[3:-6]) == int.from_bytes(drawn, "big") % 62**30
    assert check_api_key(key) == key


@given(randomness, st.integers(0, 38), st.sampled_from(ALPHABET + "_-. \néＡ"))
def test_a_key_with_one_character_changed_is_refused(drawn: bytes, place: int, other: str) -> None:
    key = make_api_key(drawn)
    changed = key[:place] + other + key[place + 1 :]
    if changed != key:
        with pytest.raises(NotAuthenticated):
            check_api_key(changed)


@given(randomness)
def test_every_character_of_the_checksum_counts(drawn: bytes) -> None:
    key = make_api_key(drawn)
    for place in range(33, 39):
        for other in ALPHABET.replace(key[place], ""):
            with pytest.raises(NotAuthenticated):
                check_api_key(key[:place] + other + key[place + 1 :])


@given(randomness, st.integers(3, 36), st.integers(3, 36))
def test_a_key_with_two_different_characters_swapped_is_refused(drawn: bytes, one: int, other: int) -> None:
    characters = list(make_api_key(drawn))
    if characters[one] != characters[other]:
        characters[one], characters[other] = characters[other], characters[one]
        with pytest.raises(NotAuthenticated):
            check_api_key("".join(characters))


@given(st.text(max_size=60))
def test_any_other_text_is_refused_without_a_hint(text: str) -> None:
    with pytest.raises(NotAuthenticated, match=r"^the credential is not valid$"):
        check_api_key(text)


def test_shortened_lengthened_and_repeated_keys_are_refused() -> None:
    key = make_api_key(bytes(range(32)))
    for text in ("", key[:-1], key[1:], key + "0", " " + key, key + "\n", key * 2, key.lower(), key.upper()):
        with pytest.raises(NotAuthenticated):
            check_api_key(text)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_randomness_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        make_api_key(bytes(length))


def test_lists_show_no_more_than_four_characters() -> None:
    key = make_api_key(bytes(range(32)))
    assert shown_prefix(key) == key[:7]
