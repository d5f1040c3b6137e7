"""How long a session lives (ASVS 5.0 7.3): since it was last refreshed, and since it began."""

from msgspec import Struct

from governlayer_server.domain.account import Session
from governlayer_server.domain.times import HOUR_US


class SessionLimits(Struct, frozen=True, kw_only=True):
    """Idle and absolute limits, in microseconds."""

    idle_us: int = 8 * HOUR_US
    absolute_us: int = 7 * 24 * HOUR_US

    def is_live(self, session: Session, now_us: int) -> bool:
        """Return whether *session* has neither been ended nor reached a limit."""
        in_time = now_us < min(session.seen_us + self.idle_us, session.created_us + self.absolute_us)
        return session.ended_us is None and in_time
