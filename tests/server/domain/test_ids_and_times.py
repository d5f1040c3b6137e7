"""UUIDv7 and moments."""

from datetime import UTC, datetime

import pytest
from governlayer_server.domain.ids import uuid7
from governlayer_server.domain.times import parse_time, time_text
from hypothesis import given
from hypothesis import strategies as st

MOST_US = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_is_a_version_7_uuid_of_its_millisecond(unix_ms: int, randomness: bytes) -> None:
    made = uuid7(unix_ms, randomness)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == unix_ms


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(unix_ms: int, earlier: bytes, later: bytes) -> None:
    assert str(uuid7(unix_ms, earlier)) < str(uuid7(unix_ms + 1, later))


def test_seventy_four_bits_of_randomness_are_in_an_id() -> None:
    bits = {uuid7(0, (1 << bit).to_bytes(10, "big")).int for bit in range(80)}
    assert len(bits) == 74 + 1


@pytest.mark.parametrize(("unix_ms", "count"), [(-1, 10), (2**48, 10), (0, 9), (0, 11)])
def test_an_id_of_wrong_values_is_refused(unix_ms: int, count: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        uuid7(unix_ms, bytes(count))


@given(st.integers(0, MOST_US))
def test_a_moment_is_written_and_read_back(unix_us: int) -> None:
    text = time_text(unix_us)
    assert len(text) == 27
    assert parse_time(text) == unix_us


@given(st.integers(0, MOST_US), st.integers(0, MOST_US))
def test_texts_of_moments_sort_as_the_moments(one: int, other: int) -> None:
    assert (time_text(one) < time_text(other)) == (one < other)


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001  # the strategy wants naive bounds
def test_the_text_is_that_of_the_standard_library(moment: datetime) -> None:
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert time_text(parse_time(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1_000_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:00:00.5Z", 500_000),
        ("1970-01-01T00:00:00.000001999Z", 1),
    ],
)
def test_rfc_3339_is_read(text: str, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00Z", "19700101T000000Z", "1970-W01-1T00:00:00Z",
        "1970-01-01T00:00:00 00:00", "1970-01-01T24:00:00Z", "1970-02-30T00:00:00Z", "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00,5Z", "1970-01-01T00:00:00Z\n", "1970-01-01T00:00:00+0100", "1970-01-01T00:00:00+24:00",
        "0000-01-01T00:00:00Z", "1970-01-01T00:00:00\N{ARABIC-INDIC DIGIT ONE}Z",
    ],
)  # fmt: skip
def test_what_is_not_rfc_3339_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_time(text)
