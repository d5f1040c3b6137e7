"""Access tokens: what they say, for how long, and under which keys (API contract §2)."""

import hashlib
import json
from uuid import UUID

import jwt
import pytest
from governlayer_server.adapters.crypto.access_tokens import AccessTokens, check_signing_key, key_id
from governlayer_server.domain.access import Role
from governlayer_server.domain.errors import ConfigurationError, NotAuthenticated
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import START_US, FakeClock, FakeEntropy
from tests.fakes.forge import decoded

KEY, PREVIOUS, NEXT = bytes(range(64)), bytes(range(64, 128)), bytes(range(128, 192))
NOW_S = START_US // 1_000_000
SUBJECT, ORGANIZATION, SESSION = UUID(int=1), UUID(int=2), UUID(int=3)


def tokens_with(
    *keys: bytes, clock: FakeClock | None = None, issuer: str = "gl.example.com", lifetime_s: int = 900
) -> AccessTokens:
    return AccessTokens(
        keys=keys,
        issuer=issuer,
        audience="governlayer",
        lifetime_s=lifetime_s,
        clock=clock or FakeClock(),
        entropy=FakeEntropy(),
    )


def issued(tokens: AccessTokens, now_us: int = START_US, role: Role = Role.ADMIN) -> str:
    return tokens.issue(subject=SUBJECT, organization_id=ORGANIZATION, role=role, session_id=SESSION, now_us=now_us)


def test_a_token_carries_the_claims_of_the_contract() -> None:
    header, payload, signature = issued(tokens_with(KEY)).split(".")
    assert json.loads(decoded(header)) == {"alg": "HS512", "kid": key_id(KEY), "typ": "at+jwt"}
    claims = json.loads(decoded(payload))
    assert UUID(claims.pop("jti")).version == 7
    assert claims == {
        "iss": "gl.example.com", "aud": "governlayer", "sub": str(SUBJECT), "org": str(ORGANIZATION), "role": "admin",
        "sid": str(SESSION), "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 900,
    }  # fmt: skip
    assert len(decoded(signature)) == 64


def test_another_library_user_reads_it() -> None:
    """Any JWT library can check it, given the secret."""
    token = issued(tokens_with(KEY))
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(
        token, KEY, algorithms=["HS512"], audience="governlayer", issuer="gl.example.com", options=options
    )
    assert claims["org"] == str(ORGANIZATION)


@pytest.mark.parametrize("role", Role)
def test_what_was_issued_is_read_back(role: Role) -> None:
    tokens = tokens_with(KEY)
    claims = tokens.verify(issued(tokens, role=role))
    assert (claims.subject, claims.organization_id, claims.session_id) == (SUBJECT, ORGANIZATION, SESSION)
    assert (claims.role, claims.issued_s, claims.expires_s) == (role, NOW_S, NOW_S + 900)
    assert claims.token_id != tokens.verify(issued(tokens)).token_id


@given(st.integers(1, 3600), st.integers(0, 999_999), st.integers(-2_000_000, 4_000_000_000))
def test_a_token_is_good_from_its_moment_to_its_last_microsecond(lifetime_s: int, part_us: int, later_us: int) -> None:
    clock = FakeClock(START_US + part_us)
    tokens = tokens_with(KEY, clock=clock, lifetime_s=lifetime_s)
    token = issued(tokens, clock.time_us)
    for moment in (START_US + part_us + later_us, START_US, START_US - 1, START_US + lifetime_s * 1_000_000 - 1,
                   START_US + lifetime_s * 1_000_000):  # fmt: skip
        clock.time_us = moment
        if START_US <= moment < START_US + lifetime_s * 1_000_000:
            assert tokens.verify(token).subject == SUBJECT
        else:
            with pytest.raises(NotAuthenticated):
                tokens.verify(token)


def test_time_is_that_of_the_given_clock_alone() -> None:
    """Long ago, and far ahead of this machine's clock, tokens are good and expire as they do now."""
    for start in (0, 1_000_000, 32_503_680_000_000_000):
        clock = FakeClock(start)
        tokens = tokens_with(KEY, clock=clock)
        token = issued(tokens, start)
        assert tokens.verify(token).issued_s == start // 1_000_000
        clock.advance(900_000_000)
        with pytest.raises(NotAuthenticated):
            tokens.verify(token)


def test_secrets_rotate_with_overlap() -> None:
    old = issued(tokens_with(PREVIOUS))
    both = tokens_with(KEY, PREVIOUS)
    new = issued(both)
    assert both.verify(old).subject == both.verify(new).subject == SUBJECT
    assert json.loads(decoded(new.split(".")[0]))["kid"] == key_id(KEY)
    with pytest.raises(NotAuthenticated):
        tokens_with(KEY).verify(old)
    with pytest.raises(NotAuthenticated):
        tokens_with(PREVIOUS).verify(new)


def test_a_key_does_not_verify_under_the_kid_of_another() -> None:
    old, new = issued(tokens_with(PREVIOUS)).split("."), issued(tokens_with(KEY)).split(".")
    for header, rest in ((old[0], new[1:]), (new[0], old[1:])):
        with pytest.raises(NotAuthenticated):
            tokens_with(KEY, PREVIOUS).verify(".".join([header, *rest]))


def test_a_token_of_another_deployment_or_of_a_longer_life_is_refused_even_under_the_same_key() -> None:
    for other in (tokens_with(KEY, issuer="gl2.example.com"), tokens_with(KEY, lifetime_s=901)):
        with pytest.raises(NotAuthenticated):
            tokens_with(KEY).verify(issued(other))
    assert tokens_with(KEY, lifetime_s=901).verify(issued(tokens_with(KEY))).subject == SUBJECT


def test_a_token_over_two_kib_is_refused_whatever_it_is() -> None:
    for length, accepted in ((800, True), (2000, False)):
        tokens = tokens_with(KEY, issuer="x" * length)
        token = issued(tokens)
        assert (len(token) <= 2048) is accepted
        if accepted:
            assert tokens.verify(token).subject == SUBJECT
        else:
            with pytest.raises(NotAuthenticated):
                tokens.verify(token)


WEAK = {
    "nothing": b"", "63 bytes": KEY[:63], "65 bytes": KEY + b"x", "32 bytes": KEY[:32], "128 bytes": KEY + PREVIOUS,
    "zeros": bytes(64), "half of it twice": bytes(range(32)) * 2, "31 different bytes": bytes(range(31)) * 3,
    "hexadecimal text": bytes(range(32)).hex().encode(), "words": b"correct horse battery staple " * 2 + b"correct",
}  # fmt: skip


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_key_or_one_of_another_length_is_refused_and_not_repeated(name: str) -> None:
    for keys in ((WEAK[name],), (KEY, WEAK[name])):
        with pytest.raises(ConfigurationError, match=r"^the JWT secret must be 64 random bytes in base64$"):
            tokens_with(*keys)


@given(st.binary(max_size=16))
def test_a_random_key_is_accepted(seed: bytes) -> None:
    check_signing_key("secret", hashlib.sha512(seed).digest())


def test_no_key_and_equal_keys_are_refused() -> None:
    for keys in ((), (KEY, KEY)):
        with pytest.raises(ConfigurationError, match="differ"):
            tokens_with(*keys)


@pytest.mark.parametrize("lifetime_s", [-1, 0, 3601])
def test_a_lifetime_out_of_range_is_refused(lifetime_s: int) -> None:
    with pytest.raises(ConfigurationError, match="seconds"):
        tokens_with(KEY, lifetime_s=lifetime_s)


def test_kids_differ_and_hold_nothing_of_the_key() -> None:
    kids = {key_id(key) for key in (KEY, PREVIOUS, NEXT)}
    assert len(kids) == 3
    assert all(len(kid) == 16 and bytes.fromhex(kid) not in KEY + PREVIOUS + NEXT for kid in kids)


def test_no_key_is_shown() -> None:
    tokens = tokens_with(KEY, PREVIOUS)
    assert repr(tokens) == "AccessTokens('gl.example.com')"
