"""What the anchors of the ledgers did last, and what is wrong with them; no secret is in it."""

from collections.abc import Sequence

from msgspec import Struct

from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock
from governlayer_server.usecases.anchor_health import AnchorFault, AnchorHealth, AnchorKind


class AnchorFact(Struct, frozen=True, kw_only=True):
    """
    One anchor.

    Attributes:
        kind: what it is.
        name: which one of its kind.
        last_us: when it last took a checkpoint, microseconds since the Unix epoch; None: not that this process knows.
        fault: what is wrong with it now, the gravest.
    """

    kind: AnchorKind
    name: str
    last_us: int | None
    fault: AnchorFault | None


class AnchorsState(Struct, frozen=True, kw_only=True):
    """Tells how all configured anchors fare, as this process has seen it."""

    healths: Sequence[AnchorHealth]
    clock: Clock

    async def recalled(self) -> list[AnchorFact]:
        """
        Return the facts, with what all replicas did: for a process that does none of it itself.

        Raises:
            LedgerUnavailable: the database is away.
        """
        for health in self.healths:
            await health.refresh()
        return self()

    def __call__(self) -> list[AnchorFact]:
        """Return the facts, in the order of the settings; nothing is asked, so nothing is waited for."""
        return [AnchorFact(kind=one.kind, name=one.name, last_us=one.last_us, fault=one.fault) for one in self.healths]

    def age_s(self, health: AnchorHealth) -> float:
        """Return how long ago it last took a checkpoint, in seconds; infinite if it never did."""
        if health.last_us is None:
            return float("inf")
        return max(0, self.clock.now_us() - health.last_us) / SECOND_US
