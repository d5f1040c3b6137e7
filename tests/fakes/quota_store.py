"""``ports.QuotaStore`` in memory: the rule as it is written, for one process."""

from collections.abc import Sequence

from governlayer_server.domain.quota import WINDOW_US, Bucket, Mode, Verdict, standing

from tests.fakes.clock import FakeClock


class MemoryQuotaStore:
    def __init__(self, clock: FakeClock, window_us: int = WINDOW_US) -> None:
        self._clock = clock
        self._window_us = window_us
        self._newest_first: dict[tuple[str, str, str], list[int]] = {}
        self.mode = Mode.SHARED
        self.calls = 0

    async def spend(self, owner: str, buckets: Sequence[Bucket], created_us: int | None = None) -> Verdict:
        self.calls += 1
        now_us = self._clock.now_us()
        logs = [self._log(owner, bucket, now_us) for bucket in buckets]
        admitted = all(len(log) < bucket.limit for log, bucket in zip(logs, buckets, strict=True))
        if admitted:
            for log in logs:
                log.insert(0, now_us)
        pairs = zip(buckets, logs, strict=True)
        standings = tuple(standing(bucket, log, now_us, self._window_us) for bucket, log in pairs)
        return Verdict(admitted=admitted, standings=standings, mode=self.mode)

    def clear(self) -> None:
        """As if nobody had asked for anything yet."""
        self._newest_first.clear()

    def _log(self, owner: str, bucket: Bucket, now_us: int) -> list[int]:
        log = self._newest_first.setdefault((owner, bucket.name, bucket.id), [])
        log[:] = [time_us for time_us in log if time_us > now_us - self._window_us]
        return log
