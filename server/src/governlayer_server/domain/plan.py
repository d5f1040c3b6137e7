"""Plans and their limits in requests per minute (API contract §3)."""

from enum import StrEnum


class Plan(StrEnum):
    """What an organization has bought."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"

    @property
    def requests_per_minute(self) -> int:
        """The most requests that the organization, and each of its keys, may make in 60 seconds."""
        return _REQUESTS_PER_MINUTE[self]


_REQUESTS_PER_MINUTE = {Plan.FREE: 20, Plan.STARTER: 100, Plan.PRO: 500, Plan.ENTERPRISE: 2000}
