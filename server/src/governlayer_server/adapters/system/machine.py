"""What this process may use of the machine, and what it may not do: limits, user, file system."""

import os
import resource
from pathlib import Path

from msgspec import Struct

_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
# Version 2, and version 1 with its controllers.
_MEMORY = ("memory.max", "memory/memory.limit_in_bytes")
_PIDS = ("pids.max", "pids/pids.max")
_UNLIMITED_BYTES = 1 << 60
# What only our image has; see deploy/image/Containerfile.
_OURS = Path("/usr/share/governlayer")


class Machine(Struct, frozen=True, kw_only=True):
    """
    Seen from inside; what cannot be seen is None.

    Attributes:
        cores: that this process may run on.
        memory_bytes: of the machine.
        memory_limit_bytes: of this container or group; None: there is no limit.
        processes_limit: the same for processes and threads.
        cpu_limit: cores' worth of processor time, such as ``1.5``; None: there is no limit.
        core_bytes: how large a core dump may get; 0: there is none; None: no limit.
        files_limit: open files.
        uid: user.
        gid: group.
        root_read_only: whether the root file system is.
        no_new_privileges: whether no program that is started can get more rights.
        capabilities: in force, hexadecimal; ``0``: none.
        in_image: whether this is the image of the bundles.
    """

    cores: int
    memory_bytes: int | None
    memory_limit_bytes: int | None
    processes_limit: int | None
    cpu_limit: str | None
    core_bytes: int | None
    files_limit: int | None
    uid: int
    gid: int
    root_read_only: bool
    no_new_privileges: bool | None
    capabilities: str | None
    in_image: bool


def look_at_machine(cgroup: Path = _CGROUP) -> Machine:
    """Return what this process sees; *cgroup* is where its limits are."""
    status = dict(line.split(":\t", 1) for line in _text(_PROC / "self/status").splitlines() if ":\t" in line)
    new_privileges = status.get("NoNewPrivs")
    capabilities = status.get("CapEff")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=_memory_bytes(),
        memory_limit_bytes=_limit(cgroup, _MEMORY),
        processes_limit=_limit(cgroup, _PIDS),
        cpu_limit=_cpu_limit(cgroup),
        core_bytes=_resource(resource.RLIMIT_CORE),
        files_limit=_resource(resource.RLIMIT_NOFILE),
        uid=os.geteuid(),
        gid=os.getegid(),
        root_read_only=bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        no_new_privileges=None if new_privileges is None else new_privileges == "1",
        capabilities=None if capabilities is None else capabilities.lstrip("0") or "0",
        in_image=_OURS.is_dir(),
    )


def may_write(directory: Path) -> bool:
    """Return whether files can be made in *directory*, or where it is missing, whether it can be made."""
    there = next(one for one in (directory, *directory.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _resource(which: int) -> int | None:
    soft, _ = resource.getrlimit(which)
    return None if soft == resource.RLIM_INFINITY else soft


def _memory_bytes() -> int | None:
    for line in _text(_PROC / "meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _limit(cgroup: Path, names: tuple[str, ...]) -> int | None:
    for name in names:
        text = _text(cgroup / name).strip()
        if text.isdecimal() and int(text) < _UNLIMITED_BYTES:
            return int(text)
    return None


def _cpu_limit(cgroup: Path) -> str | None:
    quota, period = (_text(cgroup / "cpu.max").split() or ["max", ""])[:2]
    if not quota.isdecimal():
        quota, period = (_text(cgroup / f"cpu/cpu.cfs_{one}_us").strip() for one in ("quota", "period"))
    return f"{int(quota) / int(period):.2f}" if quota.isdecimal() and period.isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
