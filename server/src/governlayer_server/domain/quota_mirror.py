"""
What one replica knows of the rate limits by itself, for when the shared count is away or has lost its memory.

For each bucket it keeps its own admissions of the last window, whoever decided them, and how many more the shared
count told it of. Alone, it admits only if its own admissions are under its share of the limit **and** its own and the
others', as last told, are under the limit. With one replica the share is the limit, so nothing changes for clients.

All times are microseconds of this replica's monotonic clock, except those that say they are the shared count's.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence

from governlayer_server.domain.quota import WINDOW_US, Bucket, Mode, Standing, Verdict

# Admissions are kept a little longer than they count, so that the two clocks may differ.
_SLACK_US = 1_000_000


class Admission:
    """One admission: when this replica learned of it, and when it was by the shared count's clock, once told."""

    __slots__ = ("seen_us", "shared_us")

    def __init__(self, seen_us: int, shared_us: int | None = None) -> None:
        self.seen_us = seen_us
        self.shared_us = shared_us


class Trace:
    """
    What this replica knows of one bucket.

    Attributes:
        pending: requests that were promised room here while the shared count is being asked.
        untold: own admissions that the shared count has not been told of, oldest first.
    """

    __slots__ = ("_others", "_others_until_us", "_own", "pending", "touched_us", "untold")

    def __init__(self) -> None:
        self._own: deque[Admission] = deque()
        self._others = 0
        self._others_until_us = 0
        self.pending = 0
        self.touched_us = 0
        self.untold: list[Admission] = []

    def room(self, limit: int, share: int, now_us: int, window_us: int) -> int:
        """Return how many more are admitted by what is known here, if this replica may admit *share* of *limit*."""
        return max(0, min(share, limit - self._others_at(now_us)) - self._count(now_us - window_us) - self.pending)

    def standing(self, bucket: Bucket, share: int, now_us: int, window_us: int) -> Standing:
        """Return where *bucket* stands by what is known here, if this replica may admit *share* of its limit."""
        own = self._count(now_us - window_us)
        leaving = []
        if own:
            leaving.append(self._own[-min(own, share)].seen_us + window_us)
        if self._others_at(now_us):
            leaving.append(self._others_until_us)
        remaining = self.room(bucket.limit, share, now_us, window_us)
        return Standing(bucket.name, bucket.limit, remaining, min(leaving, default=now_us) - now_us)

    def admit(self, now_us: int) -> None:
        """Write down an admission that the shared count does not know of."""
        admission = Admission(now_us)
        self._own.append(admission)
        self.untold.append(admission)

    def learn(self, count: int, *, admitted: bool, shared_now_us: int, now_us: int, window_us: int) -> None:
        """
        Write down what the shared count told.

        Args:
            count: how many admissions of all replicas it counts in its window, this one included.
            admitted: whether it admitted this one.
            shared_now_us: its clock when it counted.
            now_us: our clock when we heard of it.
            window_us: length of the window.
        """
        if admitted:
            self._own.append(Admission(now_us, shared_now_us))
        # Every one of the others may be as young as this answer.
        self._others = max(0, count - self._known(shared_now_us - window_us, now_us - window_us))
        self._others_until_us = now_us + window_us

    def _others_at(self, now_us: int) -> int:
        return self._others if now_us < self._others_until_us else 0

    def _known(self, shared_until_us: int, until_us: int) -> int:
        """Return how many own admissions the shared count counts: those that it was told of and still holds."""
        own = self._own
        while own and own[0].seen_us <= until_us and (own[0].shared_us or 0) <= shared_until_us:
            own.popleft()
        self._drop(until_us - _SLACK_US)
        left = untold = 0
        for admission in own:
            if admission.shared_us is None:
                untold += 1
            elif admission.shared_us > shared_until_us:
                break
            left += 1
        return max(0, len(own) - left - (len(self.untold) - untold))

    def _count(self, until_us: int) -> int:
        self._drop(until_us - _SLACK_US)
        over = 0
        for admission in self._own:
            if admission.seen_us > until_us:
                break
            over += 1
        return len(self._own) - over

    def _drop(self, until_us: int) -> None:
        while self._own and self._own[0].seen_us <= until_us:
            self._own.popleft()


class Mirror:
    """
    The traces of all buckets that were used lately.

    Args:
        replicas: how many replicas share each limit.
        window_us: length of the window.
        most: how many buckets are remembered; beyond that the one that was used least lately is forgotten.
    """

    def __init__(self, replicas: int = 1, window_us: int = WINDOW_US, most: int = 20_000) -> None:
        self.replicas = replicas
        self.window_us = window_us
        self._most = most
        self._traces: OrderedDict[str, Trace] = OrderedDict()

    def __len__(self) -> int:
        return len(self._traces)

    def traces(self, names: Sequence[str], now_us: int) -> tuple[Trace, ...]:
        """Return the traces of the buckets *names*, which are unique among all owners."""
        found = tuple(map(self._trace, names))
        for trace in found:
            trace.touched_us = now_us
        self._forget(now_us)
        return found

    def spend(self, buckets: Sequence[Bucket], traces: Sequence[Trace], now_us: int) -> Verdict:
        """Return the verdict of this replica alone; an admission is written down, to be told later."""
        admitted, _ = self.has_room(buckets, traces, now_us)
        if admitted:
            for trace in traces:
                trace.admit(now_us)
        return Verdict(admitted=admitted, standings=self.standings(buckets, traces, now_us), mode=Mode.LOCAL)

    def standings(self, buckets: Sequence[Bucket], traces: Sequence[Trace], now_us: int) -> tuple[Standing, ...]:
        """Return where the buckets stand by what is known here and this replica's share."""
        return tuple(
            trace.standing(bucket, self._share(bucket), now_us, self.window_us)
            for bucket, trace in zip(buckets, traces, strict=True)
        )

    def has_room(self, buckets: Sequence[Bucket], traces: Sequence[Trace], now_us: int) -> tuple[bool, bool]:
        """Return whether one more is admitted: within this replica's share; and by all that is known, without it."""
        pairs = tuple(zip(buckets, traces, strict=True))
        by_share = all(trace.room(one.limit, self._share(one), now_us, self.window_us) for one, trace in pairs)
        known = by_share or all(trace.room(one.limit, one.limit, now_us, self.window_us) for one, trace in pairs)
        return by_share, known

    def _share(self, bucket: Bucket) -> int:
        return max(1, bucket.limit // self.replicas)

    def _trace(self, name: str) -> Trace:
        trace = self._traces.get(name)
        if trace is None:
            trace = self._traces[name] = Trace()
        else:
            self._traces.move_to_end(name)
        return trace

    def _forget(self, now_us: int) -> None:
        """Forget what has had no admission for a window, and what is too much."""
        idle_us = now_us - self.window_us - _SLACK_US
        while self._traces:
            name, oldest = next(iter(self._traces.items()))
            if oldest.touched_us > idle_us and len(self._traces) <= self._most:
                return
            del self._traces[name]
