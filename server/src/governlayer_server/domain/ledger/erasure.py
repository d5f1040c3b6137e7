"""Which payloads ``erasure`` and ``retention`` records say were destroyed (ledger-v1 §2.2 and §8.11)."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from governlayer_server.domain.ledger.audit import Facts

TYPES = ("erasure", "retention")
ALL_NAMES = "*"
_Range = tuple[int, int]


class Erased:
    """Ranges of records by payload name; they are told one after the other, and are then looked up."""

    def __init__(self) -> None:
        self._ranges: dict[str, list[_Range]] = {}

    def add(self, facts: Facts) -> None:
        """Take in what a record of one of ``TYPES`` says; only records before it can have been erased by it."""
        ranges = [(first, min(last, facts.seq - 1)) for first, last in _ranges(facts.body)]
        for name in _names(facts.body):
            self._ranges[name] = _merged([*self._ranges.get(name, []), *ranges])

    def covers(self, seq: int, name: str) -> bool:
        """Return whether the payload *name* of record *seq* was destroyed on record."""
        return any(_holds(self._ranges.get(one, []), seq) for one in (name, ALL_NAMES))


def _names(body: Mapping[str, object]) -> Iterator[str]:
    names = body.get("names")
    if isinstance(names, list):
        yield from (name for name in names if isinstance(name, str))


def _ranges(body: Mapping[str, object]) -> Iterator[_Range]:
    ranges = body.get("ranges")
    for one in ranges if isinstance(ranges, list) else []:
        match one:
            case [int(first), int(last)] if first <= last:
                yield first, last


def _merged(ranges: list[_Range]) -> list[_Range]:
    merged: list[_Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        elif first <= last:
            merged.append((first, last))
    return merged


def _holds(ranges: list[_Range], seq: int) -> bool:
    place = bisect_right(ranges, (seq, 2**63)) - 1
    return place >= 0 and ranges[place][0] <= seq <= ranges[place][1]
