"""What one client has seen of a ledger lately, and whether two things that it saw can be of one ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ._receipt import Sighting

_MOST: Final = 256


def contradiction(one: Sighting, other: Sighting) -> str | None:
    """
    Return why *one* and *other* cannot be of one ledger, None if nothing speaks against it.

    One tree has one root per size (ledger-v1 §4). One chain has one record per seq, each holds the hash of the one
    before, and their times never decrease (§2): a record that is newer than one further on stands on a ledger that
    was cut, for example put back to an old backup.
    """
    if one.checkpoint.size == other.checkpoint.size and one.checkpoint.root != other.checkpoint.root:
        return f"two roots are signed for its size {one.checkpoint.size}"
    first, second = sorted((one, other), key=lambda each: each.seq)
    if first.seq == second.seq and first.hash != second.hash:
        return f"it has two records {first.seq}"
    if first.seq + 1 == second.seq and first.hash != second.prev_hash:
        return f"its record {second.seq} does not follow record {first.seq}"
    if first.time > second.time:
        lost = f"records {first.seq} to {second.seq} that were there are lost"
        return f"its record {first.seq} is newer than its record {second.seq}: {lost}, as after a restore from a backup"
    return None


class History:
    """
    The last 256 sightings, and one drawn from those that were left unproven. Not safe for threads by itself.

    Args:
        draw: a fresh random number, 0 up to but not 1.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._by_seq: dict[int, Sighting] = {}
        self._sample: Sighting | None = None
        self._unproven = 0
        self.latest: Sighting | None = None

    def near(self, seen: Sighting) -> Iterator[Sighting]:
        """Yield what *seen* is to be held against: the largest that was seen, and its neighbours."""
        if self.latest is not None:
            yield self.latest
        for seq in (seen.seq - 1, seen.seq, seen.seq + 1):
            if seq in self._by_seq:
                yield self._by_seq[seq]

    def add(self, seen: Sighting) -> None:
        """Remember *seen*, which contradicts nothing."""
        self._by_seq[seen.seq] = seen
        if len(self._by_seq) > _MOST:
            del self._by_seq[next(iter(self._by_seq))]
        if self.latest is None or seen.checkpoint.size > self.latest.checkpoint.size:
            self.latest = seen

    def leave_unproven(self, seen: Sighting) -> None:
        """Put *seen* among those from which :meth:`take_sample` draws."""
        self._unproven += 1
        if self._draw() * self._unproven < 1:
            self._sample = seen

    def take_sample(self) -> Sighting | None:
        """Return one of those left unproven since the last call, each as likely as the others."""
        sample, self._sample, self._unproven = self._sample, None, 0
        return sample
