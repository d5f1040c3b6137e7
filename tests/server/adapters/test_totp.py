"""One-time codes: the vectors of RFC 6238, the window, and that a code is good once."""

import base64
import hmac
import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from governlayer_server.adapters.crypto.totp import STEP_US, Totp
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import FakeEntropy

SECRET = base64.b32encode(b"12345678901234567890").decode()
TOTP = Totp(FakeEntropy())
# RFC 6238 appendix B (SHA-1), the last six of its eight digits.
VECTORS = {
    59: "287082", 1_111_111_109: "081804", 1_111_111_111: "050471", 1_234_567_890: "005924", 2_000_000_000: "279037",
    20_000_000_000: "353130",
}  # fmt: skip
steps = st.integers(2, 10**9)


def code_of(step: int) -> str:
    """The code of a step, computed a second time (RFC 4226 §5.3)."""
    digest = hmac.digest(base64.b32decode(SECRET), step.to_bytes(8, "big"), "sha1")
    at = digest[-1] & 15
    return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


@pytest.mark.parametrize("seconds", VECTORS)
def test_the_vectors_of_the_rfc(seconds: int) -> None:
    assert code_of(seconds // 30) == VECTORS[seconds]
    assert TOTP.matching_step(SECRET, VECTORS[seconds], seconds * 1_000_000, -1) == seconds // 30


@given(steps, st.integers(0, STEP_US - 1), st.integers(-4, 4))
def test_one_step_before_and_after_is_accepted_and_no_more(now: int, part_us: int, off: int) -> None:
    step = max(0, now + off)
    found = TOTP.matching_step(SECRET, code_of(step), now * STEP_US + part_us, -1)
    near = [one for one in range(now - 1, now + 2) if code_of(one) == code_of(step)]
    assert found == max(near, default=None)
    if abs(step - now) <= 1:
        assert found is not None


@given(steps, st.integers(-1, 1))
def test_a_code_is_good_once_and_none_before_it_is_good_any_more(now: int, off: int) -> None:
    moment = now * STEP_US
    step = TOTP.matching_step(SECRET, code_of(now + off), moment, -1)
    assert step is not None
    for earlier in range(now - 1, step + 1):
        assert TOTP.matching_step(SECRET, code_of(earlier), moment, step) in {None, *range(step + 1, now + 2)}
    assert TOTP.matching_step(SECRET, code_of(now + off), moment, step) is None


def test_a_code_that_two_steps_share_is_spent_for_both() -> None:
    at = 910_737  # the first such step of this secret
    assert code_of(at) == code_of(at + 1)
    step = TOTP.matching_step(SECRET, code_of(at), at * STEP_US, -1)
    assert step == at + 1
    assert TOTP.matching_step(SECRET, code_of(at), at * STEP_US, step) is None


def test_the_first_step_of_all_has_none_before_it() -> None:
    assert TOTP.matching_step(SECRET, code_of(0), 0, -1) == 0


@given(st.text(max_size=12))
def test_any_other_text_does_not_match(text: str) -> None:
    if text not in {code_of(step) for step in (99, 100, 101)}:
        assert TOTP.matching_step(SECRET, text, 100 * STEP_US, -1) is None


def test_only_six_ascii_digits_match() -> None:
    code = code_of(100)
    arabic = "".join(chr(0x660 + int(digit)) for digit in code)
    for text in ("", code[1:], code + "0", "0" + code, " " + code, code + "\n", f"{code[:3]} {code[3:]}", arabic,
                 code[:5] + chr(0xFF10 + int(code[5])), "\ud800" * 6, "-" + code[1:], code * 100_000):  # fmt: skip
        assert TOTP.matching_step(SECRET, text, 100 * STEP_US, -1) is None
    assert TOTP.matching_step(SECRET, code, 100 * STEP_US, -1) == 100


def test_another_secret_does_not_match() -> None:
    other = base64.b32encode(b"12345678901234567891").decode()
    assert TOTP.matching_step(other, VECTORS[59], 59_000_000, -1) is None


@pytest.mark.parametrize("secret", ["", "A", "not base32!", "AAAA" * 4])
def test_a_damaged_or_short_secret_is_an_error(secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        TOTP.matching_step(secret, "000000", 0, -1)


def test_a_secret_has_160_random_bits() -> None:
    made = {Totp(FakeEntropy(bytes([seed]))).new_secret() for seed in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch("[A-Z2-7]{32}", secret) for secret in made)


@pytest.mark.parametrize("account", ["ann@example.org", "Ann & Bob: 100% / ünïcode?", "x" * 254])
def test_the_uri_names_issuer_and_account(account: str) -> None:
    secret = TOTP.new_secret()
    uri = urlsplit(TOTP.provisioning_uri(secret, account))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == f"/GovernLayer:{account}"
    query = parse_qs(uri.query)
    assert (query.pop("secret"), query.pop("issuer")) == ([secret], ["GovernLayer"])
    # What is left out has these values in every app.
    assert {"algorithm": ["SHA1"], "digits": ["6"], "period": ["30"]}.items() >= query.items()
