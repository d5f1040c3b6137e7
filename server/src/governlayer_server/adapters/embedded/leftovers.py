"""Processes that a killed appliance left behind on this very data directory: find them, end them."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from governlayer_server.adapters.embedded.child import until_gone
from governlayer_server.adapters.embedded.errors import StartError

_KILL_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Trace:
    """
    How a process of ours is known.

    Attributes:
        program: its command name (proc(5), ``comm``).
        home: its working directory, compared by inode.
        mark: bytes of its command line, for where the kernel hides the working directory from us.
    """

    program: str
    home: Path
    mark: bytes


def find(trace: Trace) -> list[int]:
    """Return the ids of the living processes that *trace* describes; never another program's."""
    if not trace.home.exists():
        return []
    return [pid for pid in _processes() if _is_ours(pid, trace)]


async def end(trace: Trace, gentle: signal.Signals, gentle_s: float) -> int:
    """
    End all processes that *trace* describes and return how many there were.

    Those that lead (their parent is none of them) get the signal *gentle* and *gentle_s* seconds; what is
    left then gets SIGQUIT, then SIGKILL. Each is looked at again, behind a handle that a new process with the
    same id cannot take over, before it gets a signal.

    Raises:
        StartError: some are still there.
    """
    found = find(trace)
    for signal_number, patience_s in (
        (gentle, gentle_s),
        (signal.SIGQUIT, _KILL_PATIENCE_S),
        (signal.SIGKILL, _KILL_PATIENCE_S),
    ):
        left = find(trace)
        if not left:
            return len(found)
        targets = [pid for pid in left if _parent(pid) not in left] if signal_number is gentle else left
        for pid in targets:
            _send(pid, trace, signal_number)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while remaining := find(trace):
                    await until_gone(remaining[0])
    if left := find(trace):
        raise StartError(f"old processes of {trace.program} do not end ({left}): end them, then start again")
    return len(found)


def _send(pid: int, trace: Trace, signal_number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            if _is_ours(pid, trace):
                signal.pidfd_send_signal(descriptor, signal_number)
        finally:
            os.close(descriptor)


def _processes() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _is_ours(pid: int, trace: Trace) -> bool:
    process = Path("/proc", str(pid))
    try:
        if (process / "comm").read_text().rstrip("\n") != trace.program:
            return False
        home = trace.home.stat()
        try:
            there = (process / "cwd").stat()
        except PermissionError:
            # Without CAP_SYS_PTRACE root does not see where another user's process is.
            return process.stat().st_uid == home.st_uid and trace.mark in (process / "cmdline").read_bytes()
    except OSError:
        return False  # it ended while we looked
    return (there.st_dev, there.st_ino) == (home.st_dev, home.st_ino)


def _parent(pid: int) -> int:
    # proc(5) stat: "pid (comm) state ppid ..."; comm may hold spaces and brackets.
    try:
        return int(Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
