"""The machine's clock and randomness."""

import os
import time


class SystemClock:
    """``ports.Clock`` on the machine's clocks."""

    def now_us(self) -> int:
        """Return microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """Return microseconds of the monotonic clock."""
        return time.monotonic_ns() // 1000


class SystemEntropy:
    """``ports.Entropy`` on the kernel's generator."""

    def bytes(self, count: int) -> bytes:
        """Return *count* random bytes."""
        return os.urandom(count)
