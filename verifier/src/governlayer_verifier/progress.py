"""One line on a terminal that says how far the check is: rewritten in place, gone at the end."""

import os
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

_EVERY_S = 0.2
_WIDTH_WITHOUT_TERMINAL = 80


class Progress:
    """
    Shows lines read, share done, lines per second and time left; on anything but a terminal it shows nothing.

    Args:
        out: where to; standard error, as standard output holds the report.
        total_bytes: of the file, None where it is not known.
        bytes_read: tells how many of them were read.
        clock_s: seconds that only run forward.
    """

    def __init__(
        self,
        out: TextIO,
        total_bytes: int | None,
        bytes_read: Callable[[], int],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._total_bytes = total_bytes
        self._bytes_read = bytes_read
        self._clock_s = clock_s
        self._start_s = clock_s()
        self._shown_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._shown_s is not None:
            self._put("")

    def __call__(self, lines: int) -> None:
        """Show that *lines* lines were read, at most five times a second."""
        now_s = self._clock_s()
        if self._is_terminal and (self._shown_s is None or now_s - self._shown_s >= _EVERY_S):
            self._shown_s = now_s
            self._put(self._text(lines, now_s - self._start_s)[: self._width() - 1])

    def _text(self, lines: int, elapsed_s: float) -> str:
        parts = [f"{lines:,} lines"]
        if elapsed_s > 0:
            parts.append(f"{lines / elapsed_s:,.0f} lines/s")
        if self._total_bytes:
            share = min(self._bytes_read() / self._total_bytes, 1.0)
            parts.append(f"{share:.0%}")
            if share > 0:
                parts.append(f"{_duration(elapsed_s * (1 - share) / share)} left")
        return "  ".join(parts)

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or _WIDTH_WITHOUT_TERMINAL
        except (OSError, ValueError):
            return _WIDTH_WITHOUT_TERMINAL

    def _put(self, text: str) -> None:
        # One write, and the line is erased from where the new text ends: nothing is blank in between.
        self._out.write(f"\r{text}\x1b[K")
        self._out.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
