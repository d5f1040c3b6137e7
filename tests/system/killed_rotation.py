"""
A rotation by processes that are killed with SIGKILL behind the first step each of them reaches, until one comes through.

    python -m tests.system.killed_rotation DATA KIND TIMES

prints how many were killed, at most TIMES, and whether one came through.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.next_master_key import DirectoryNextKey
from governlayer_server.adapters.system import SystemEntropy
from governlayer_server.cli.common import running_appliance
from governlayer_server.wiring import Appliance

# Processes read the keys anew once a second.
_SETTLE_S = 1.3


class Killed:
    """``ports.rotations.Steps`` of a process that does not outlive the first one."""

    async def reached(self, step: str) -> None:
        print(f"killed behind: {step}", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGKILL)

    def progress(self, done: int, total: int) -> None:
        pass

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        await asyncio.sleep(_SETTLE_S)


async def rotate(data: Path, kind: str) -> None:
    async with running_appliance(data) as appliance:
        await rotate_in(appliance, data, kind)


async def rotate_in(appliance: Appliance, data: Path, kind: str) -> None:
    rotations = appliance.rotations
    if kind == "master":
        provider = appliance.parts.keys.provider
        await rotations.master(DirectoryNextKey(DataDirectory.open(data), provider, SystemEntropy()), Killed())
    elif kind == "data":
        organizations = await appliance.accounts.organizations()
        for organization_id in await rotations.data.plan([one.id for one in organizations]):
            await rotations.data(organization_id, Killed())
    elif kind == "jwt":
        await rotations.jwt(Killed())
    else:
        await rotations.pepper(Killed())


def main() -> None:
    data, kind, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    kills, through = 0, False
    while kills < times and not through:
        pid = os.fork()
        if pid == 0:
            asyncio.run(rotate(data, kind))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        through = status == 0
        if not through:
            assert os.WTERMSIG(status) == signal.SIGKILL, status
            kills += 1
    print(json.dumps({"kills": kills, "through": through}))


if __name__ == "__main__":
    main()
