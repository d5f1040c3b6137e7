"""Moments: whole microseconds since the Unix epoch, UTC, and their one text form."""

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})", re.IGNORECASE
)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_text(unix_us: int) -> str:
    """
    Return ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` of a moment (ledger-v1 §2).

    Args:
        unix_us: microseconds since the Unix epoch, UTC.

    >>> time_text(1_795_456_800_000_001)
    '2026-11-23T18:00:00.000001Z'
    """
    moment = _EPOCH + timedelta(microseconds=unix_us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> int:
    """
    Return the moment that an RFC 3339 text names, in microseconds since the Unix epoch; finer digits are cut off.

    Raises:
        ValueError: *text* is not RFC 3339, has no offset from UTC, or names a leap second.

    >>> parse_time("2026-11-23T19:00:00.000001+01:00")
    1795456800000001
    """
    if not _RFC_3339.fullmatch(text):
        raise ValueError("a time is RFC 3339 with an offset from UTC, such as Z")
    moment = datetime.fromisoformat(text.upper())
    return (moment - _EPOCH) // timedelta(microseconds=1)
