"""Decisions over time, for the report: few counters whatever the dump's length, and the same in whatever order.

A time is written ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, so the first characters of it name a span: 19 of them a second, 10 a
day, 4 a year. Each span lies inside one of every shorter spelling. The counter keeps the longest spelling that leaves
at most 200 spans; that depends on which times there were and not on their order, so parts counted apart and merged
give what one count gives.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from governlayer_verifier.record import DECISION, Facts

MAX_SPANS = 200
DECISIONS = ("allow", "deny", "redact", "require_approval")
OTHER = "other"
# Lengths of a spelling: 1 s, 10 s, 1 min, 10 min, 1 h, 1 day, 1 month, 1 year, 10 and 100 years.
LENGTHS = (19, 18, 16, 15, 13, 10, 7, 4, 3, 2)


@dataclass(frozen=True, slots=True)
class Span:
    """How many decisions of each kind, ``DECISIONS`` and then others, fell into the time that begins with ``start``."""

    start: str
    counts: tuple[int, ...]


class Activity:
    """Counts the decisions of records; ``merge`` adds what another one counted."""

    def __init__(self) -> None:
        self._length = LENGTHS[0]
        self._counts: Counter[tuple[str, str]] = Counter()
        self._spans: set[str] = set()

    def take(self, facts: Facts) -> None:
        """Count a record, if it is a decision with a time."""
        if facts.type != DECISION or facts.time is None:
            return
        decision = facts.body.get(DECISION)
        known = decision if isinstance(decision, str) and decision in DECISIONS else OTHER
        start = facts.time[: self._length]
        self._counts[start, known] += 1
        if start not in self._spans:
            self._spans.add(start)
            self._bound()

    def merge(self, other: "Activity") -> None:
        """Add what *other* counted."""
        self._length = min(self._length, other._length)
        self._counts.update(other._counts)
        self._shorten()
        self._bound()

    def counted(self) -> tuple[int, list[tuple[str, str, int]]]:
        """Return what was counted, for ``restore``."""
        return self._length, [(start, name, count) for (start, name), count in self._counts.items()]

    def restore(self, length: int, counts: Iterable[tuple[str, str, int]]) -> None:
        """Put back what ``counted`` returned."""
        self._length = length
        self._counts = Counter({(start, name): count for start, name, count in counts})
        self._spans = {start for start, _ in self._counts}

    def spans(self) -> tuple[Span, ...]:
        """Return the spans in which there were decisions, in order of time."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Span]:
        for start in sorted(self._spans):
            yield Span(start, tuple(self._counts[start, name] for name in (*DECISIONS, OTHER)))

    def _bound(self) -> None:
        while len(self._spans) > MAX_SPANS:
            self._length = next(length for length in LENGTHS if length < self._length)
            self._shorten()

    def _shorten(self) -> None:
        longer, self._counts = self._counts, Counter()
        for (start, decision), count in longer.items():
            self._counts[start[: self._length], decision] += count
        self._spans = {start for start, _ in self._counts}
