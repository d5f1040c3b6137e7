"""A server process that this process starts, and that cannot outlive it."""

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from governlayer_server.adapters.embedded.account import Account, entering
from governlayer_server.adapters.embedded.errors import StartError

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Command:
    """
    What to run.

    Attributes:
        argv: the program and its arguments; they hold no secret, everybody on the machine can read them.
        account: whom to run as.
        directory: the working directory.
        death_signal: what the kernel sends to it when this process dies (prctl(2), PR_SET_PDEATHSIG).
        standard_input: what it reads, or nothing; fewer than 64 KiB.
    """

    argv: Sequence[str | Path]
    account: Account
    directory: Path
    death_signal: signal.Signals
    standard_input: bytes = b""


class Child:
    """A running (or ended) process started by :func:`spawn`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    async def wait(self) -> str:
        """Wait for the end of the process; return how it ended, in words."""
        while self.is_running:
            await until_gone(self.pid)
        code = self._process.returncode
        return f"exited with status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    async def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """
        End the process: send each signal of *steps* in turn and give it that many seconds to work.

        Raises:
            TimeoutError: it still runs after the last step.
        """
        for number, (signal_number, patience_s) in enumerate(steps, start=1):
            self._process.send_signal(signal_number)
            try:
                async with asyncio.timeout(patience_s):
                    await self.wait()
            except TimeoutError:
                if number == len(steps):
                    raise
            else:
                return


def spawn(command: Command, output: int) -> Child:
    """
    Start *command*; its output goes to the descriptor *output*, which is closed here.

    The process gets a session of its own (Ctrl-C in the terminal does not reach it), an environment of
    locale, time zone and path only, no core dumps, no way to gain privileges, and its death signal if this
    process dies.

    Raises:
        StartError: it could not be started.
    """
    # The death signal is sent when the *thread* that forked ends, so it has to be one that lives to the end.
    if threading.current_thread() is not threading.main_thread():
        raise StartError("the embedded servers must be started from the main thread")
    other = command.account.is_other
    try:
        process = subprocess.Popen(  # noqa: S603  # nosec B603  # programs and arguments of our own
            command.argv,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
            start_new_session=True,
            umask=0o077,
            preexec_fn=_Preparation(command),  # noqa: PLW1509 - touches no lock: system calls only
            user=command.account.uid if other else None,
            group=command.account.gid if other else None,
            extra_groups=[] if other else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StartError(f"cannot start {command.argv[0]} ({error}): check that this user may run it") from error
    finally:
        os.close(output)
    _feed(process, command.standard_input)
    return Child(process)


class _Preparation:
    """What the forked child does before it becomes the program. Everything is computed before the fork."""

    def __init__(self, command: Command) -> None:
        self._enter = entering(command.account)
        self._directory = os.fsencode(command.directory)
        self._death_signal = int(command.death_signal)
        self._parent = os.getpid()

    def __call__(self) -> None:
        self._enter()
        os.chdir(self._directory)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # After the change of user: a change of credentials clears the death signal.
        if _libc.prctl(_PR_SET_PDEATHSIG, self._death_signal, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "cannot set the death signal")
        _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.getppid() != self._parent:
            os._exit(1)  # the parent died before the signal was set


def _feed(process: subprocess.Popen[bytes], text: bytes) -> None:
    if process.stdin is None:
        return
    try:
        with process.stdin as pipe:
            pipe.write(text)
    except BrokenPipeError:
        return  # it ended before reading; whoever waits for it sees that


async def until_gone(pid: int) -> None:
    """Return when the process *pid*, a child of ours or not, has ended (pidfd_open(2))."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
