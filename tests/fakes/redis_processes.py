"""Redis servers that a test starts for itself, may stop and kill, and that never outlive it."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from governlayer_server.adapters.embedded.binaries import redis_program
from redis.asyncio import Redis
from redis.exceptions import RedisError

_START_S = 20.0
PATIENT_MS = 5_000
"""For what holds while Redis answers: that a busy machine is slow is no outage."""


class RedisProcess:
    """
    One `redis-server` in the directory *home*, with a socket there or a port on loopback, or both.

    Args:
        options: settings of its configuration file, a line each.
        program: another binary than the wheel's.
        arguments: more of its command line, such as ``--sentinel``.
    """

    def __init__(
        self,
        home: Path,
        options: Sequence[str] = (),
        *,
        port: int = 0,
        program: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.socket = str(home / "s")
        self.port = port
        self._home = home
        self._program = program or redis_program()
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        lines = ["save ''", "appendonly no", f"dir {home}", f"unixsocket {self.socket}", f"port {port}", *options]
        (home / "redis.conf").write_text("\n".join(["bind 127.0.0.1", *lines]) + "\n", encoding="utf-8")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, **connect: Any) -> None:
        """Start it and return when it answers (over its socket, unless *connect* says otherwise)."""
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220  # a fork takes no time
                [self._program, self._home / "redis.conf", *self._arguments], stdout=log, stderr=log
            )
        deadline = time.monotonic() + _START_S
        while True:
            with suppress(RedisError, OSError):
                async with Redis(**(connect or {"unix_socket_path": self.socket})) as client:
                    await client.ping()
                    return
            assert self._process.poll() is None, (self._home / "log").read_text("utf-8", "replace")[-1000:]
            assert time.monotonic() < deadline, "it does not serve"
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        """It runs no further, but keeps its memory and its connections."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; a cluster's are below 55536, as each needs a second one 10000 above."""
    found: list[int] = []
    port = 20_000 + os.getpid() % 10_000
    while len(found) < count:
        port += 1
        if all(_is_free(one) for one in (port, port + 10_000)):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
