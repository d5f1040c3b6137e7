"""How the anchors of this process fare: what they did last, what is wrong, and when to try again."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from governlayer_server.domain.errors import GovernLayerError, Inconsistent, LedgerUnavailable, NoteError, Unavailable
from governlayer_server.domain.times import SECOND_US
from governlayer_server.ports import Clock

Recall = Callable[[], Awaitable[int | None]]
_FIRST_REST_US = SECOND_US
_LONGEST_REST_US = 300 * SECOND_US


class AnchorKind(StrEnum):
    """What an anchor is."""

    WITNESS = "witness"
    DIRECTORY = "directory"
    SYSLOG = "syslog"
    TIMESTAMPS = "timestamps"


class AnchorFault(StrEnum):
    """What is wrong with an anchor, or with a ledger there."""

    UNREACHABLE = "unreachable"
    """It gives no answer, or cannot be written to."""
    REFUSED = "refused"
    """It does not take a checkpoint, or what it gave for one does not hold."""
    UNPROVEN = "unproven"
    """The ledger cannot be proven here: its database is away, or damaged."""
    CONTRADICTION = "contradiction"
    """It holds another history of a ledger than this database does."""


class AnchorHealth:
    """
    One anchor, and the ledgers that have trouble with it. Trouble is tried again after 1 second, 2, 4, up to 5 minutes.

    Args:
        kind: what it is.
        name: which one of its kind; the operator's word, no secret.
        clock: its monotonic time counts.
        alarm: is told once, with the ledger's id, when the anchor holds another history of a ledger.
        recall: finds out when it last took a checkpoint, of any replica; None where nobody else knows.
    """

    def __init__(
        self, kind: AnchorKind, name: str, clock: Clock, alarm: Callable[[str], None], recall: Recall | None = None
    ) -> None:
        self.kind = kind
        self.name = name
        self.last_us: int | None = None
        """When it last took a checkpoint; microseconds since the Unix epoch."""
        self._clock = clock
        self._alarm = alarm
        self._recall = recall
        # By ledger, "" for the anchor as a whole: what is wrong, how often in a row, and until when it rests.
        self._trouble: dict[str, tuple[AnchorFault, int, int]] = {}

    @property
    def fault(self) -> AnchorFault | None:
        """What is wrong, the gravest if there are several."""
        faults = {fault for fault, _, _ in self._trouble.values()}
        return max(faults, key=list(AnchorFault).index, default=None)

    def rests(self) -> bool:
        """Whether the anchor as a whole is left alone for now."""
        return "" in self.resting()

    def resting(self) -> list[str]:
        """Return the ledgers that are left alone for now, "" for all."""
        now_us = self._clock.monotonic_us()
        return [ledger_id for ledger_id, (_, _, until_us) in self._trouble.items() if until_us > now_us]

    async def refresh(self) -> None:
        """
        Look up when it last took a checkpoint.

        Raises:
            LedgerUnavailable: the database is away.
        """
        if self._recall is not None:
            self.last_us = await self._recall()

    async def attempt(self, ledger_id: str, work: Awaitable[int]) -> None:
        """
        Do *work* with a checkpoint of *ledger_id*; note when it worked, or what is wrong.

        Args:
            ledger_id: whose checkpoint.
            work: returns the time at which the anchor took it, microseconds since the Unix epoch.
        """
        try:
            self.last_us = await work
            self._trouble.pop("", None)
            self._trouble.pop(ledger_id, None)
        except Inconsistent:
            if self._failed(AnchorFault.CONTRADICTION, ledger_id):
                self._alarm(ledger_id)
        except NoteError:
            self._failed(AnchorFault.REFUSED, ledger_id)
        except LedgerUnavailable:
            self._failed(AnchorFault.UNPROVEN, ledger_id)
        except Unavailable:
            self._failed(AnchorFault.UNREACHABLE, "")
        except GovernLayerError:  # as of a ledger shorter than its checkpoint: the next one is none the worse for it
            self._failed(AnchorFault.UNPROVEN, ledger_id)

    def _failed(self, fault: AnchorFault, ledger_id: str) -> bool:
        """Note that it failed, for one ledger or as a whole (""); return whether that is news."""
        before, times, _ = self._trouble.get(ledger_id, (None, 0, 0))
        rest_us = min(_FIRST_REST_US << min(times, 20), _LONGEST_REST_US)
        self._trouble[ledger_id] = fault, times + 1, self._clock.monotonic_us() + rest_us
        return fault is not before
