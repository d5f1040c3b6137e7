"""
Engines out of a Debian tree (``GOVERNLAYER_ENGINES``, made by ``tools/engines``), in namespaces of their own.

Whoever runs this has a network, mounts and process ids of its own: nothing that is started here can be reached from the
machine or outlives the run, and nothing of the machine is touched.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.engines.machine import ENGINES

TREE = ENGINES / "trixie"
INSIDE = Path("/mnt")
"""Where the place of a test is seen inside the tree."""


class Tree:
    """
    The tree, with *place* in it.

    Args:
        place: a directory for all that the engines write.
        hosts: their names and addresses on loopback.
    """

    def __init__(self, place: Path, hosts: Mapping[str, str]) -> None:
        assert [name for _, name in socket.if_nameindex()] == ["lo"], "no network of its own: run `nox -s failover`"
        assert TREE.is_dir(), f"there is no Debian tree in {TREE}: GOVERNLAYER_ENGINES names its parent"
        self.place = place
        self._processes: list[subprocess.Popen[bytes]] = []
        names = place / "hosts"
        names.write_text("127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for name, ip in hosts.items()))
        _run("ip", "link", "set", "lo", "up")
        inside = [("/dev", TREE / "dev"), ("/proc", TREE / "proc"), (place, TREE / "mnt"), (names, TREE / "etc/hosts")]
        self._mounted = [target for _, target in inside] + [Path("/etc/hosts")]
        for source, target in (*inside, (names, Path("/etc/hosts"))):
            _run("mount", "--rbind", source, target)

    def start(self, name: str, *command: str, user: str = "postgres") -> subprocess.Popen[bytes]:
        """Start a program of the tree; what it prints goes to ``<name>.log``."""
        with (self.place / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                _entering(user, command), stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._processes.append(process)
        return process

    def run(self, *command: str, user: str = "postgres") -> str:
        """Return what a program of the tree printed."""
        return subprocess.run(_entering(user, command), check=True, capture_output=True, text=True, timeout=60).stdout

    def give(self, path: Path, user: str = "postgres") -> Path:
        """Give *path* to a user of the tree; return it as it is seen inside."""
        uid, gid = next(
            (int(line.split(":")[2]), int(line.split(":")[3]))
            for line in (TREE / "etc/passwd").read_text().splitlines()
            if line.startswith(f"{user}:")
        )
        for one in (path, *(path.rglob("*") if path.is_dir() else ())):
            shutil.chown(one, uid, gid)
        return self.inside(path)

    def inside(self, path: Path) -> Path:
        return INSIDE / path.relative_to(self.place)

    def end(self) -> None:
        """End all that runs out of the tree."""
        kill_all([pid for pid in running() if root_of(pid) == TREE])
        for process in self._processes:
            process.wait(10)
        for target in reversed(self._mounted):
            _run("umount", "--recursive", "--lazy", target)


def running() -> list[int]:
    """Return all processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def root_of(pid: int) -> Path | None:
    """Return what a process has for its root directory; None where it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/root").readlink()
    return None


def family(*pids: int) -> list[int]:
    """Return *pids* and all that descend from them."""
    children: dict[int, list[int]] = {}
    for pid in running():
        with suppress(OSError):
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
    found, waiting = list[int](), list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def kill_all(pids: Sequence[int]) -> None:
    """kill -9, all of them."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = 120.0) -> Any:
    """Return what *condition* returns, once that is true."""
    deadline = time.monotonic() + limit_s
    while True:
        with suppress(OSError, subprocess.CalledProcessError):
            if found := condition():
                return found
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain: {what}"
        time.sleep(0.1)


def _entering(user: str, command: Sequence[str]) -> list[str]:
    programs = "/usr/lib/postgresql/17/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    clean = ["env", "-i", f"PATH={programs}", "LANG=C.UTF-8", "HOME=/tmp"]
    return ["chroot", f"--userspec={user}:{user}", str(TREE), *clean, *command]


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)
