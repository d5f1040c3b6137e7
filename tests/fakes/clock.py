"""Time and randomness that tests set."""

from hashlib import sha256

START_US = 1_795_456_800_000_000  # 2026-11-23T18:00:00Z


class FakeClock:
    """``ports.Clock``: stands still until told; the monotonic clock moves by one at each look."""

    def __init__(self, now_us: int = START_US) -> None:
        self.time_us = now_us
        self._looks = 0

    def now_us(self) -> int:
        return self.time_us

    def monotonic_us(self) -> int:
        self._looks += 1
        return self._looks

    def advance(self, microseconds: int) -> None:
        self.time_us += microseconds


class WallClock:
    """``ports.Clock`` whose monotonic time goes on with the other's time of day."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now_us(self) -> int:
        return self._clock.now_us()

    def monotonic_us(self) -> int:
        return self._clock.now_us()


class FakeEntropy:
    """``ports.Entropy``: the same bytes in the same order at each run, never the same twice in one."""

    def __init__(self, seed: bytes = b"tests") -> None:
        self._seed = seed
        self._drawn = 0

    def bytes(self, count: int) -> bytes:
        drawn = b""
        while len(drawn) < count:
            self._drawn += 1
            drawn += sha256(self._seed + self._drawn.to_bytes(8, "big")).digest()
        return drawn[:count]
