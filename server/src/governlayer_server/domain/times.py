"""Moments: whole microseconds since the Unix epoch, UTC, and their one text form."""

from datetime import UTC, datetime, timedelta

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
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def parse_time(text: str) -> int:
    """
    Return the moment that an RFC 3339 text names, in microseconds since the Unix epoch.

    Raises:
        ValueError: *text* is not RFC 3339 or has no offset from UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset from UTC, such as Z")
    return (moment - _EPOCH) // timedelta(microseconds=1)
