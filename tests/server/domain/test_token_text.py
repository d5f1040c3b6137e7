"""Refresh and one-time tokens: one text for each token, and nothing else is read."""

import re
from uuid import UUID

import pytest
from governlayer_server.domain.api_key import check_api_key, make_api_key
from governlayer_server.domain.base62 import ALPHABET, base62, checksum
from governlayer_server.domain.errors import NotAuthenticated
from governlayer_server.domain.token_text import (
    ONE_TIME_PREFIX,
    PAYLOAD_BYTES,
    REFRESH_PREFIX,
    make_token,
    read_token,
)
from hypothesis import given
from hypothesis import strategies as st

LENGTHS = {REFRESH_PREFIX: 102, ONE_TIME_PREFIX: 75}
ORGANIZATION = UUID(int=7)
organizations = st.uuids().filter(lambda one: one.int != 0)


@st.composite
def tokens(draw: st.DrawFn) -> tuple[str, UUID | None, bytes]:
    prefix = draw(st.sampled_from(sorted(PAYLOAD_BYTES)))
    nobody = st.none() if prefix == ONE_TIME_PREFIX else st.nothing()
    size = PAYLOAD_BYTES[prefix]
    return prefix, draw(organizations | nobody), draw(st.binary(min_size=size, max_size=size))


def refused(prefix: str, text: str) -> None:
    with pytest.raises(NotAuthenticated, match=r"^the credential is not valid$"):
        read_token(prefix, text)


def sealed(prefix: str, number: int) -> str:
    head = prefix + base62(number, LENGTHS[prefix] - len(prefix) - 6)
    return head + checksum(head)


@given(tokens())
def test_a_token_is_written_and_read_back(token: tuple[str, UUID | None, bytes]) -> None:
    prefix, organization, payload = token
    text = make_token(prefix, organization, payload)
    assert re.fullmatch(prefix + "[0-9A-Za-z]+", text)
    assert len(text) == LENGTHS[prefix]
    assert read_token(prefix, text) == (organization, payload)


@given(tokens(), tokens())
def test_no_two_tokens_have_the_same_text(
    one: tuple[str, UUID | None, bytes], other: tuple[str, UUID | None, bytes]
) -> None:
    assert (make_token(*one) == make_token(*other)) == (one == other)


@given(tokens(), st.integers(0, 101), st.sampled_from(ALPHABET + "_-. \né\ud800Ａ"))
def test_a_token_with_one_character_changed_is_refused(
    token: tuple[str, UUID | None, bytes], at: int, other: str
) -> None:
    text = make_token(*token)
    changed = text[:at] + other + text[at + 1 :]
    if changed != text:
        refused(token[0], changed)


@given(st.sampled_from(sorted(PAYLOAD_BYTES)), st.data())
def test_each_number_in_range_is_one_token_and_the_others_are_none(prefix: str, data: st.DataObject) -> None:
    """Canonical: what is read is written again as the same text, so that no two texts are the same token."""
    digits = LENGTHS[prefix] - len(prefix) - 6
    limit = 256 ** (16 + PAYLOAD_BYTES[prefix])
    assert 62 ** (digits - 1) < limit <= 62**digits
    number = data.draw(st.one_of(st.integers(0, limit - 1), st.integers(limit, 62**digits - 1)))
    text = sealed(prefix, number)
    nobody = number >> 8 * PAYLOAD_BYTES[prefix] == 0 and prefix == REFRESH_PREFIX
    if number >= limit or nobody:
        refused(prefix, text)
    else:
        organization, payload = read_token(prefix, text)
        assert make_token(prefix, organization, payload) == text


@pytest.mark.parametrize("prefix", PAYLOAD_BYTES)
def test_numbers_at_the_edge_of_what_bytes_hold(prefix: str) -> None:
    limit = 256 ** (16 + PAYLOAD_BYTES[prefix])
    organization, payload = read_token(prefix, sealed(prefix, limit - 1))
    assert (organization, payload) == (UUID(int=2**128 - 1), b"\xff" * PAYLOAD_BYTES[prefix])
    refused(prefix, sealed(prefix, limit))


@given(st.sampled_from(sorted(PAYLOAD_BYTES)), st.text(max_size=120) | st.text(alphabet=ALPHABET, max_size=120))
def test_any_other_text_is_refused_without_a_hint(prefix: str, text: str) -> None:
    refused(prefix, text)
    refused(prefix, prefix + text)


@pytest.mark.parametrize("prefix", PAYLOAD_BYTES)
def test_a_token_of_another_kind_or_length_is_refused(prefix: str) -> None:
    text = make_token(prefix, ORGANIZATION, bytes(range(PAYLOAD_BYTES[prefix])))
    other = next(one for one in PAYLOAD_BYTES if one != prefix)
    refused(other, text)
    refused(other, other + text[4:])
    for changed in ("", prefix, text[:-1], text[1:], text + "0", text + "\n", " " + text, text * 2, text.swapcase()):
        refused(prefix, changed)
    with pytest.raises(NotAuthenticated):
        check_api_key(text)
    refused(prefix, make_api_key(bytes(32)))


@pytest.mark.parametrize("prefix", PAYLOAD_BYTES)
def test_another_prefix_or_length_is_refused_even_with_the_right_checksum(prefix: str) -> None:
    digits = make_token(prefix, ORGANIZATION, bytes(PAYLOAD_BYTES[prefix]))[4:-6]
    for head in (f"glx_{digits}", f"GL{prefix[2:]}{digits}", prefix + digits[1:], f"{prefix}0{digits}", prefix, ""):
        refused(prefix, head + checksum(head))


def test_a_refresh_token_always_names_an_organization() -> None:
    refused(REFRESH_PREFIX, sealed(REFRESH_PREFIX, 5))
    for nobody in (None, UUID(int=0)):
        with pytest.raises(ValueError, match="organization"):
            make_token(REFRESH_PREFIX, nobody, bytes(52))
    with pytest.raises(ValueError, match="organization"):
        make_token(ONE_TIME_PREFIX, UUID(int=0), bytes(32))


@pytest.mark.parametrize(("prefix", "size"), [("glr_", 51), ("glr_", 53), ("glr_", 32), ("glt_", 0), ("glt_", 52)])
def test_a_payload_of_another_length_is_refused(prefix: str, size: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        make_token(prefix, ORGANIZATION, bytes(size))
