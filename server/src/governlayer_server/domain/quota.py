"""
Rate limits: an exact log of admissions over a sliding window (API contract §3).

A bucket admits a request at time *now* if fewer than its limit were admitted in ``(now - window, now]``. So no
half-open window of that length ever holds more than the limit, and who stays at or under it is never refused. A
request spends from all its buckets or, if one of them has no room, from none: what is refused costs nothing.

Every counter keeps this rule: the Redis script for all replicas, ``domain/quota_mirror.py`` for one replica alone.
"""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from governlayer_server.domain.times import MINUTE_US, SECOND_US

WINDOW_US = MINUTE_US


class Mode(StrEnum):
    """Who decided: the count that all replicas share, or (also) this replica's own share of the limit."""

    SHARED = "shared"
    LOCAL = "local"


class Bucket(Struct, frozen=True):
    """
    One limit that a request spends from.

    Attributes:
        name: as the headers call it: ``key``, ``org``, ``user`` or ``address``.
        limit: the most requests in 60 seconds, at least 1.
        id: tells the buckets of one owner and name apart: the id of the key or the user; empty if there is only one.
    """

    name: str
    limit: int
    id: str = ""


class Standing(Struct, frozen=True):
    """
    Where a bucket stands after a request.

    Attributes:
        name: the bucket's.
        limit: the bucket's.
        remaining: how many more it would admit now.
        reset_us: microseconds until it would admit one more than that; 0 when it is empty.
    """

    name: str
    limit: int
    remaining: int
    reset_us: int


class Verdict(Struct, frozen=True, kw_only=True):
    """Whether a request is admitted, and where its buckets stand then."""

    admitted: bool
    standings: tuple[Standing, ...]
    mode: Mode

    @property
    def refused(self) -> tuple[Standing, ...]:
        """The buckets without room, if the request was not admitted."""
        return () if self.admitted else tuple(one for one in self.standings if not one.remaining)

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until every bucket that refused has room for one, rounded up, at least 1."""
        return max(1, max((_seconds(one.reset_us) for one in self.refused), default=1))


def standing(bucket: Bucket, newest_first: Sequence[int], now_us: int, window_us: int = WINDOW_US) -> Standing:
    """
    Return where *bucket* stands at *now_us*.

    Args:
        bucket: name and limit; a limit that was lowered or raised counts from now on.
        newest_first: times of the admissions that are still in the window.
        now_us: not before the newest of them.
        window_us: length of the window.

    >>> standing(Bucket("org", 2), [50_000_000, 10_000_000], 60_000_000)
    Standing(name='org', limit=2, remaining=0, reset_us=10000000)
    """
    remaining = max(0, bucket.limit - len(newest_first))
    if not newest_first:
        return Standing(bucket.name, bucket.limit, remaining, 0)
    # The admission that has to leave: the oldest, or, where a lowered limit is overdrawn, a later one.
    leaving = newest_first[min(bucket.limit, len(newest_first)) - 1]
    return Standing(bucket.name, bucket.limit, remaining, leaving + window_us - now_us)


def policy_field(standings: Sequence[Standing]) -> str:
    """
    Return the value of ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers).

    >>> policy_field([Standing("key", 100, 12, 30_000_001), Standing("org", 500, 3, 0)])
    '"key";q=100;w=60, "org";q=500;w=60'
    """
    return ", ".join(f'"{one.name}";q={one.limit};w={_seconds(WINDOW_US)}' for one in standings)


def standing_field(standings: Sequence[Standing]) -> str:
    """
    Return the value of ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers); seconds are rounded up.

    >>> standing_field([Standing("key", 100, 12, 30_000_001), Standing("org", 500, 3, 0)])
    '"key";r=12;t=31, "org";r=3;t=0'
    """
    return ", ".join(f'"{one.name}";r={one.remaining};t={_seconds(one.reset_us)}' for one in standings)


def _seconds(microseconds: int) -> int:
    return -(-microseconds // SECOND_US)
