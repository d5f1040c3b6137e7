"""What the doctor looks at in the machine or container that it runs in, which is the server's own."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from governlayer_server.adapters.system.machine import Machine, look_at_machine, may_write
from governlayer_server.settings import Settings
from governlayer_server.wiring.check import Check
from governlayer_server.wiring.figures import written_directories

_MIB = 1_048_576
_MIN_FREE_BYTES, _MIN_FREE_SHARE = 1_024 * _MIB, 0.05
# A server's own, with all pools and two long texts being scanned; and what deriving a backup's key takes at once.
_SERVER_MIB, _BACKUP_MIB = 256, 256


def disk_check(directory: Path) -> Check:
    """Tell whether there is room for *directory*, whose decisions end with it."""
    usage = shutil.disk_usage(directory)
    least = max(_MIN_FREE_BYTES, int(usage.total * _MIN_FREE_SHARE))
    detail = f"{usage.free // _MIB} MiB free for {directory}, of {usage.total // _MIB}"
    mend = f"make room: at least {least // _MIB} MiB; without it no decision can be recorded"
    return Check(name="disk", ok=usage.free >= least, detail=detail, mend=mend)


def machine_checks(settings: Settings, machine: Machine | None = None) -> Sequence[Check]:
    """Tell what hinders the server here, or makes it weaker than it should be; *machine*: this one."""
    machine = machine or look_at_machine()
    checks = [_memory(settings, machine), _directories(settings)]
    return [*checks, _container(machine)] if machine.in_image else checks


def _memory(settings: Settings, machine: Machine) -> Check:
    needed = _SERVER_MIB + (_BACKUP_MIB if settings.backups.hours is not None else 0)
    known = [one for one in (machine.memory_bytes, machine.memory_limit_bytes) if one is not None]
    if not known:
        return Check(name="memory", ok=None, detail="how much there is cannot be seen")
    kind = "limit" if machine.memory_limit_bytes == min(known) else "machine"
    return Check(
        name="memory",
        ok=min(known) >= needed * _MIB,
        detail=f"{min(known) // _MIB} MiB ({kind}); {needed} MiB are needed",
        mend="raise the memory limit of this container",
    )


def _directories(settings: Settings) -> Check:
    """Tell which directories of the settings cannot be written, or have little room."""
    bad = []
    for name, directory in written_directories(settings).items():
        if not may_write(directory):
            bad.append(f"{name}: {directory} cannot be written")
        elif (there := _existing(directory)) and shutil.disk_usage(there).free < _MIN_FREE_BYTES // 8:
            bad.append(f"{name}: less than {_MIN_FREE_BYTES // 8 // _MIB} MiB free for {directory}")
    count = len(written_directories(settings))
    detail = "; ".join(bad) or f"all {count} that are written to can be, and have room"
    mend = f"mount them writable for the user {os.geteuid()}, with room"
    return Check(name="directories", ok=not bad, detail=detail, mend=mend)


def _existing(directory: Path) -> Path | None:
    return next((one for one in (directory, *directory.parents) if one.exists()), None)


def _container(machine: Machine) -> Check:
    """Tell whether the container is as closed as the bundles make it."""
    faults = {
        "it runs as root": machine.uid == 0,
        "its root file system can be written": not machine.root_read_only,
        "it has capabilities": machine.capabilities not in {None, "0"},
        "programs may gain privileges": machine.no_new_privileges is False,
    }
    found = [text for text, is_so in faults.items() if is_so]
    as_it_should = f"user {machine.uid}, read-only root, no capabilities, no new privileges"
    return Check(
        name="container",
        ok=not found,
        detail="; ".join(found) or as_it_should,
        mend="run it as deploy/compose and deploy/helm do",
    )
