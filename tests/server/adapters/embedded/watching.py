"""What tests see of processes, read from /proc on ways of their own."""

import asyncio
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

UP = """
import asyncio, signal, sys
from pathlib import Path
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.redis import EmbeddedRedis
from governlayer_server.adapters.embedded.supervisor import Supervisor

async def main():
    directory = DataDirectory.open(Path(sys.argv[1]))
    with directory.lock():
        servers = [EmbeddedPostgres(directory), EmbeddedRedis(directory)]
        supervisor = Supervisor(servers, lambda event: None)
        await supervisor.start()
        print("ready", flush=True)
        await asyncio.sleep(600)

# A shell's background job ignores Ctrl-C, and so does what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


def processes_of(path: Path) -> list[int]:
    """Ids of living processes, this one excepted, that work below *path* or name it in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            working = (entry / "cwd").readlink()
            if working.is_relative_to(path) or bytes(path) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def programs_of(path: Path) -> dict[str, list[int]]:
    programs: dict[str, list[int]] = {}
    for pid in processes_of(path):
        with suppress(OSError):
            programs.setdefault(Path(f"/proc/{pid}/comm").read_text().strip(), []).append(pid)
    return programs


def wait_until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def proc(pid: int, name: str) -> str:
    """Contents of ``/proc/<pid>/<name>``."""
    return Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")


def texts_of(files: Iterable[Path]) -> list[bytes]:
    return [path.read_bytes() for path in files if path.is_file()]


def modes_below(path: Path) -> dict[Path, int]:
    return {below: stat.S_IMODE(below.lstat().st_mode) for below in path.rglob("*")}


async def reach(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    """As wait_until, with the event loop running."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def listens_on_tcp(pids: list[int]) -> bool:
    """Whether one of *pids* holds a listening TCP socket (state 0A of /proc/net/tcp, matched by inode)."""
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                listening.add(f"socket:[{fields[9]}]")
    held = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                held.add(str(descriptor.readlink()))
    return bool(listening & held)


def up(data: Path) -> subprocess.Popen[bytes]:
    """Start an appliance's servers in a Python process of its own, as its own session."""
    return subprocess.Popen([sys.executable, "-c", UP, data], stdout=subprocess.PIPE, start_new_session=True)


def wait_ready(appliance: subprocess.Popen[bytes]) -> None:
    assert appliance.stdout is not None
    assert appliance.stdout.readline() == b"ready\n"
