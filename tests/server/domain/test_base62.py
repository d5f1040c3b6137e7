"""Base62: fixed length, one text for each number."""

import string

import pytest
from governlayer_server.domain.base62 import ALPHABET, base62, base62_number
from hypothesis import given
from hypothesis import strategies as st


def test_the_alphabet_is_in_the_order_of_ascii() -> None:
    assert ALPHABET == string.digits + string.ascii_uppercase + string.ascii_lowercase == "".join(sorted(ALPHABET))


@given(st.integers(0, 62**20 - 1))
def test_a_number_is_written_and_read_back(number: int) -> None:
    text = base62(number, 20)
    assert len(text) == 20
    assert base62_number(text) == number


@given(st.integers(0, 62**9), st.integers(0, 62**9))
def test_texts_sort_as_their_numbers_do(one: int, other: int) -> None:
    assert (base62(one, 10) < base62(other, 10)) == (one < other)


def test_what_does_not_fit_is_cut_off_at_the_front() -> None:
    assert base62(62**3 + 61, 3) == "00z"
    assert base62(5, 0) == ""


@pytest.mark.parametrize("text", ["-", "_", " ", "é", "Ａ", "\N{ARABIC-INDIC DIGIT ONE}", "a\n", "\ud800"])
def test_what_is_no_digit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base62"):
        base62_number(text)
