"""What became of the appends of this process: plain counts, for whoever shows figures."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from governlayer_server.domain.errors import GovernLayerError
from governlayer_server.domain.policy import EVALUATION_FAILED
from governlayer_server.ports import Clock
from governlayer_server.ports.ledger import Append


class AppendTally:
    """
    Counts since the start of the process; nothing in it names an organization.

    Args:
        clock: its monotonic time measures.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.waiting = 0
        """Appends that have no answer yet."""
        self.done = 0
        """Appends that are durable."""
        self.took_us = 0
        """For how long those waited together, microseconds."""
        self.decisions: Counter[str] = Counter()
        """Recorded decisions, by outcome."""
        self.evaluations_failed = 0
        """Recorded decisions that are a deny because the action could not be evaluated."""
        self.failed: Counter[str] = Counter()
        """Appends that were refused or failed, by the code of the error."""

    @contextmanager
    def count(self, append: Append) -> Iterator[None]:
        """Count *append*, which is made inside."""
        start_us = self._clock.monotonic_us()
        self.waiting += 1
        try:
            yield
        except GovernLayerError as error:
            self.failed[error.code] += 1
            raise
        finally:
            self.waiting -= 1
        self.done += 1
        self.took_us += self._clock.monotonic_us() - start_us
        if append.decision is not None:
            self.decisions[append.decision] += 1
            self.evaluations_failed += append.draft.body.get("reason_code") == EVALUATION_FAILED.code
