"""What of people and their use is kept no longer: how old it has to be."""

from msgspec import Struct

from governlayer_server.domain.session_limits import SessionLimits
from governlayer_server.domain.sign_in_throttle import FAMILIAR_S
from governlayer_server.domain.times import DAY_US, SECOND_US

KEPT_US = 30 * DAY_US
USAGE_KEPT_DAYS = 400


class Stale(Struct, frozen=True, kw_only=True):
    """
    Everything older than these goes. Times are microseconds since the Unix epoch.

    Attributes:
        ended_us: sessions that were ended before.
        began_us: sessions that began before: they passed their absolute limit as long ago.
        expired_us: one-time tokens that expired before, used or not.
        answers_us: answers kept for idempotency keys that expired before.
        seen_us: addresses that nobody has signed in from since.
        day: usage counts of days before, days since the Unix epoch.
    """

    ended_us: int
    began_us: int
    expired_us: int
    answers_us: int
    seen_us: int
    day: int


def stale_at(now_us: int, limits: SessionLimits) -> Stale:
    """
    Return what is stale at *now_us*.

    Args:
        now_us: the time.
        limits: of sessions.
    """
    return Stale(
        ended_us=now_us - KEPT_US,
        began_us=now_us - KEPT_US - limits.absolute_us,
        expired_us=now_us - KEPT_US,
        answers_us=now_us,
        seen_us=now_us - FAMILIAR_S * SECOND_US,
        day=now_us // DAY_US - USAGE_KEPT_DAYS,
    )
