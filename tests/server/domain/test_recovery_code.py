"""Recovery codes: ten of 80 bits, read however they are typed."""

import base64
import re

import pytest
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.recovery_code import make_recovery_codes, read_recovery_code
from hypothesis import given
from hypothesis import strategies as st

randomness = st.binary(min_size=100, max_size=100)


@given(randomness)
def test_ten_codes_hold_all_of_the_randomness(drawn: bytes) -> None:
    codes = make_recovery_codes(drawn)
    assert len(codes) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){3}[a-z2-7]{4}", code) for code in codes)
    assert b"".join(base64.b32decode(code.replace("-", "").upper()) for code in codes) == drawn


@given(randomness, st.randoms(use_true_random=False))
def test_case_hyphens_and_spaces_do_not_count(drawn: bytes, chance: object) -> None:
    code = make_recovery_codes(drawn)[0]
    canonical = code.replace("-", "")
    assert read_recovery_code(code) == canonical
    for typed in (
        code.upper(),
        canonical,
        canonical.upper(),
        code.replace("-", " "),
        f"  {code} ",
        "-".join(canonical),
    ):
        assert read_recovery_code(typed) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "-" * 19, "abcd-efgh-ijkl-234", "abcd-efgh-ijkl-23456", "abcd-efgh-ijkl-2341", "abcd-efgh-ijkl-0000",
     "abcd_efgh_ijkl_2345", "abcd-efgh-ijkl-2345\n", "abcd\tefghijkl2345", "abcd-efgh-ij\N{KELVIN SIGN}l-2345", "abcd–efgh-ijkl-2345",
     "ſbcd-efgh-ijkl-2345", "ａbcd-efgh-ijkl-2345", "\ud800bcd-efgh-ijkl-2345", "abcd-efgh-ijkl-2345" + " " * 60,
     "abcdefghijkl2345" * 10_000],
)  # fmt: skip
def test_what_cannot_be_a_code_is_refused_without_a_hint(text: str) -> None:
    with pytest.raises(NotAuthenticated, match=r"^the credential is not valid$"):
        read_recovery_code(text)


@pytest.mark.parametrize("length", [0, 99, 101])
def test_randomness_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="100 bytes"):
        make_recovery_codes(bytes(length))
