"""
What a replica keeps of principals, so that not every request asks the database.

An entry lives half a second at most, and is dropped at once when its organization changes anything that decides who
may do what: revoked means refused everywhere within one second, even where the message is lost (API contract §2).
"""

from collections import OrderedDict
from uuid import UUID

from governlayer_server.domain.access import Principal
from governlayer_server.ports import Clock

LIFE_US = 500_000
MAX_ENTRIES = 10_000


class PrincipalCache:
    """
    Principals by what identifies their credential: never the credential itself.

    Args:
        clock: its monotonic time counts.
        life_us: how long an entry lives.
    """

    def __init__(self, clock: Clock, life_us: int = LIFE_US) -> None:
        self._clock = clock
        self.life_us = life_us
        self._entries: OrderedDict[bytes, tuple[int, Principal]] = OrderedDict()

    def get(self, name: bytes) -> Principal | None:
        """Return the principal kept under *name*, if it has not had its time."""
        until_us, principal = self._entries.get(name, (0, None))
        if principal is None or self._clock.monotonic_us() >= until_us:
            return None
        return principal

    def put(self, name: bytes, principal: Principal, asked_us: int) -> None:
        """
        Keep *principal* under *name*.

        Args:
            name: a keyed fingerprint.
            principal: as the database told it.
            asked_us: monotonic time before the database was asked: its life counts from there.
        """
        self._entries[name] = (asked_us + self.life_us, principal)
        self._entries.move_to_end(name)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)

    def forget(self, organization_id: UUID | None) -> None:
        """Drop all principals of the organization, or all there are (None)."""
        if organization_id is None:
            self._entries.clear()
            return
        for name in [name for name, (_, one) in self._entries.items() if one.organization_id == organization_id]:
            del self._entries[name]
