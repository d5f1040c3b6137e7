"""How far long work has come: one line that changes on a terminal, plain lines now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

import click

_TERMINAL_S, _LINES_S = 0.2, 10.0


class Meter:
    """
    Shows how much of what is done, how fast, and how long the rest will take.

    Args:
        what: is done, a few words.
        unit: of what is counted, in the plural.
    """

    def __init__(self, what: str, unit: str) -> None:
        self._what = what
        self._unit = unit
        self._is_terminal = sys.stderr.isatty()
        self._started_s = self._shown_s = time.monotonic()

    def __enter__(self) -> Self:
        """Say on a terminal what begins: counting may take a while before there is a figure."""
        if self._is_terminal:
            self._write(f"counting {self._unit} …")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        """Leave no half line behind."""
        if self._is_terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def show(self, done: int, total: int) -> None:
        """Show that *done* of *total* are done, if the last time was long enough ago."""
        now_s = time.monotonic()
        if now_s - self._shown_s < (_TERMINAL_S if self._is_terminal else _LINES_S):
            return
        self._shown_s = now_s
        text = f"{done} of {total} {self._unit}"
        if done:  # else there is no speed yet, and no time that would follow from it
            rate = done / max(now_s - self._started_s, 0.001)
            text += f", {rate:.0f}/s, {(total - done) / rate:.0f} s left"
        self._write(text)

    def _write(self, text: str) -> None:
        line = f"governlayer: {self._what}: {text}"
        click.echo(f"\r\x1b[K{line}" if self._is_terminal else line, nl=not self._is_terminal, err=True)
