"""What a run finds, by numbered step of ledger-v1 §8."""

from dataclasses import dataclass, replace
from enum import IntEnum

KEPT_PER_STEP = 100


class Step(IntEnum):
    """The steps of ledger-v1 §8; the numbers are the specification's."""

    FORMAT = 1
    GENESIS = 2
    CANONICAL = 3
    SEQUENCE = 4
    LINK = 5
    TIME = 6
    PAYLOAD = 7
    TREE = 8
    SIGNATURES = 9
    RECEIPTS = 10
    ERASURE = 11
    END = 12


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed step: at which record and line of the dump (from 1), what, expected and found."""

    seq: int | None
    line: int | None
    what: str
    expected: str | None = None
    found: str | None = None


def shown(value: object, limit: int = 100) -> str:
    """Return *value* as one short line that is safe on a terminal, whatever a hostile dump put there."""
    text = str(value)
    text = text if len(text) <= limit else text[:limit] + "…"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class Findings:
    """Failures by step, the first 100 of each with a count of all, and what could not be checked (§8)."""

    def __init__(self) -> None:
        self._failures: dict[Step, list[Failure]] = {}
        self._counts: dict[Step, int] = {}
        self._unchecked: dict[Step, str] = {}
        self._unasked: dict[Step, str] = {}

    def fail(
        self,
        step: Step,
        what: str,
        *,
        seq: int | None = None,
        line: int | None = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        """Record that *step* fails."""
        self._counts[step] = self._counts.get(step, 0) + 1
        kept = self._failures.setdefault(step, [])
        if len(kept) < KEPT_PER_STEP:
            both = [None if each is None else shown(each) for each in (expected, found)]
            kept.append(Failure(seq, line, shown(what, 300), *both))

    def absorb(self, part: "Findings", lines_before: int) -> None:
        """
        Take in the failures of a part of the dump, in the order of their lines.

        Args:
            part: failures whose lines are counted from the part's first; every one of them has a line.
            lines_before: how many lines of the dump stand before the part.
        """
        for step, (count, failures) in part.failed().items():
            self._counts[step] = self._counts.get(step, 0) + count
            moved = [replace(each, line=lines_before + (each.line or 0)) for each in failures]
            merged = sorted([*self.failures(step), *moved], key=lambda each: each.line or 0)
            self._failures[step] = merged[:KEPT_PER_STEP]

    def failed(self) -> dict[Step, tuple[int, list[Failure]]]:
        """Return the steps that failed, how often, and the first failures of each."""
        return {step: (count, self._failures[step]) for step, count in self._counts.items()}

    def restore(self, step: Step, count: int, failures: list[Failure]) -> None:
        """Put back what ``failed`` returned for *step*."""
        self._counts[step], self._failures[step] = count, failures

    def cannot(self, step: Step, reason: str) -> None:
        """Record that something asked for in *step* could not be checked; the first reason is kept."""
        self._unchecked.setdefault(step, shown(reason, 300))

    def unasked(self, step: Step, reason: str) -> None:
        """Record that *step* had nothing to do because the user asked for nothing."""
        self._unasked.setdefault(step, reason)

    def count(self, step: Step) -> int:
        """Return how often *step* failed."""
        return self._counts.get(step, 0)

    def failures(self, step: Step) -> tuple[Failure, ...]:
        """Return the first failures of *step*, in the order found."""
        return tuple(self._failures.get(step, ()))

    def reason_unchecked(self, step: Step) -> str | None:
        """Return why *step* could not be checked in full, None where it was."""
        return self._unchecked.get(step)

    def reason_unasked(self, step: Step) -> str | None:
        """Return why *step* had nothing to do, None where it had."""
        return self._unasked.get(step)
