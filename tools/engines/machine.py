"""A machine for container engines: a Debian 13 tree in namespaces of its own, whose processes end with it."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: Where the tree is kept, or made: `tools/engines/tree.sh`.
ENGINES = Path(os.environ.get("GOVERNLAYER_ENGINES", ROOT / ".tools" / "engines"))
PATH = "/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DOCKER = "/run/docker.sock"
# Nobody may raise a hard limit where these are lower than the engines' own.
ULIMITS = ("nofile=20000:20000", "nproc=90000:90000")


class Machine:
    """
    Enter it to start it; it needs root.

    Args:
        state: a folder on a real disk, kept: what the machine writes. None: one that goes away with the machine.
        binds: folders and files of this host, and where they are inside.
        host_network: share this host's network, to reach a package index; else there is loopback alone.
    """

    def __init__(
        self, state: Path | None = None, binds: Mapping[Path, str] | None = None, *, host_network: bool = False
    ) -> None:
        self._options: list[str] = ["--host-network"] if host_network else []
        for source, place in (binds or {}).items():
            self._options += ["--bind", f"{source}:{place}"]
        if state is not None:
            self._options += ["--state", str(state)]
        self._started: list[subprocess.Popen[bytes]] = []
        self._pid = 0

    def __enter__(self) -> Self:
        """Make the tree if it is missing, and start."""
        tree = ENGINES / "trixie"
        subprocess.run([HERE / "tree.sh", tree], check=True)
        holder = self._popen(
            ["setpriv", "--pdeathsig", "KILL", str(HERE / "enter.sh"), *self._options, str(tree), "catatonit", "-P"]
        )
        wait_until(lambda: self._first_process(holder) > 0, "the machine does not start")
        self._pid = self._first_process(holder)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """End it with all that runs in it."""
        subprocess.run(["kill", "-9", str(self._pid)], check=False)
        for process in reversed(self._started):
            process.wait(timeout=60)

    def run(self, *command: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """
        Run *command* inside and return what it printed; options are those of ``subprocess.run``.

        Raises:
            AssertionError: it failed, and *check* asks for success. The text has what it printed.
        """
        done = subprocess.run(self.inside(command), capture_output=True, text=True, check=False, **options)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start *command* inside, with its output in *log*; it ends with the machine."""
        with log.open("ab") as output:
            return self._popen(self.inside(command), output)

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return the command of this host that runs *command* inside."""
        environment = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", f"DOCKER_HOST=unix://{DOCKER}"]
        return ["nsenter", "--target", str(self._pid), "--mount", "--net", "--pid", *environment, *command]

    def beside(self, command: Sequence[str]) -> list[str]:
        """Return the command of this host that runs *command* with this host's files, in the machine's network."""
        return ["nsenter", "--target", str(self._pid), "--net", *command]

    def start_docker(self, log: Path) -> None:
        """Start the Docker engine, with its data in the state folder."""
        limits = [option for limit in ULIMITS[:1] for option in ("--default-ulimit", limit)]
        places = ["--data-root", "/mnt/data/docker", "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"]
        self.start("dockerd", *places, "-H", f"unix://{DOCKER}", *limits, log=log)
        wait_until(lambda: self.run("docker", "info", check=False).returncode == 0, f"dockerd does not start: {log}")

    def docker(self, *arguments: str, check: bool = True, **options: Any) -> str:
        """Run the Docker client and return what it printed on standard output, without white space at its ends."""
        return self.run("docker", *arguments, check=check, **options).stdout.strip()

    def _popen(self, command: Sequence[str], output: Any = None) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        self._started.append(process)
        return process

    def _first_process(self, holder: subprocess.Popen[bytes]) -> int:
        """Return the id, on this host, of the first process inside once it is the one that waits; else 0."""
        pid = holder.pid
        while children := Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            pid = int(children[-1])
        return pid if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "catatonit" else 0


def wait_until(is_so: Callable[[], bool], complaint: str, seconds: float = 60) -> None:
    """
    Return once *is_so* returns True.

    Raises:
        TimeoutError: it did not within *seconds*; the text is *complaint*.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.2)
