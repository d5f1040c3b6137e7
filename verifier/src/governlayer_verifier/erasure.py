"""Step 11: which payloads erasure and retention records account for (ledger-v1 §2.2, §8)."""

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from governlayer_verifier.certificate import are_ranges
from governlayer_verifier.findings import Findings, Step
from governlayer_verifier.record import Facts, is_payload_name
from governlayer_verifier.spool import Spool

_EVERY_NAME = "*"
_COMPACT_FROM = 1024
_QUESTION = struct.Struct(">QI?")


def question(seq: int, index: int, *, present: bool) -> bytes:
    """
    Return the note that record *seq* commits to a disclosed payload, for ``ErasureCheck.take``.

    Args:
        seq: of the record; beyond 64 bits nothing is noted, as such a record fails step 3.
        index: of the payload's name in the header.
        present: whether the payload is there.
    """
    return _QUESTION.pack(seq, index, present) if seq < 1 << 64 else b""


class RangeSet:
    """A set of seqs as disjoint inclusive ranges."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._compact_at = _COMPACT_FROM

    def add(self, first: int, last: int) -> None:
        """Add *first* to *last* inclusive."""
        self._ranges.append((first, last))
        if len(self._ranges) >= self._compact_at:
            self.compact()

    def compact(self) -> None:
        """Merge what overlaps or touches; ``in`` needs it after the last ``add``."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(self._ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        self._ranges = merged
        self._compact_at = max(_COMPACT_FROM, 2 * len(merged))

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._ranges, seq, key=lambda each: each[0]) - 1
        return at >= 0 and seq <= self._ranges[at][1]


class ErasureCheck:
    """
    Whether each disclosed payload is there, or lawfully gone.

    A record that erases comes after what it names, so every (record, name) is noted when it is met and judged at the
    end: 13 bytes each, in a spool; the erased ranges, merged, stay in memory.
    """

    def __init__(self, findings: Findings, names: Iterable[str]) -> None:
        self._findings = findings
        self._names = list(names)
        self._questions = Spool(_QUESTION.size)
        self._erased = {name: RangeSet() for name in (*self._names, _EVERY_NAME)}

    def take(self, questions: bytes) -> None:
        """Take in what ``question`` returned, one after the other."""
        self._questions.append(questions)

    def record(self, facts: Facts, line: int) -> None:
        """Take in an ``erasure`` or ``retention`` record."""
        ranges: Any = facts.body.get("ranges")
        names: Any = facts.body.get("names")
        if not (are_ranges(ranges) and _are_names(names) and isinstance(facts.body.get("basis"), str)):
            self._findings.fail(
                Step.ERASURE,
                f"the {facts.type} record does not hold sorted ranges, sorted names and a basis",
                seq=facts.seq,
                line=line,
            )
        elif facts.seq is not None:
            self._add(facts.seq, ranges, names)

    def finish(self) -> None:
        """Judge every question."""
        for each in self._erased.values():
            each.compact()
        for seq, name, present in self._open_questions():
            erased = seq in self._erased[name] or seq in self._erased[_EVERY_NAME]
            if present and erased:
                what = f"payload {name} is present though a later record names it as erased"
                self._findings.fail(Step.ERASURE, what, seq=seq)
            elif not present and not erased:
                what = f"payload {name} is withheld and no later erasure or retention record of this dump names it"
                self._findings.fail(Step.ERASURE, what, seq=seq)

    def close(self) -> None:
        """Give temporary files back."""
        self._questions.close()

    def _open_questions(self) -> Iterator[tuple[int, str, bool]]:
        for question in self._questions:
            seq, name, present = _QUESTION.unpack(question)
            yield seq, self._names[name], present

    def _add(self, seq: int, ranges: list[list[int]], names: list[str]) -> None:
        for name in names:
            erased = self._erased.get(name)
            for first, last in ranges if erased is not None else ():
                # Only what lies before the record itself: a later one must be named by a later record.
                if erased is not None and first < seq:
                    erased.add(first, min(last, seq - 1))


def _are_names(value: Any) -> bool:
    return value == [_EVERY_NAME] or (
        isinstance(value, list) and all(map(is_payload_name, value)) and value == sorted(value)
    )
