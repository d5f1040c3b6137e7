"""`governlayer up` as a real process on a data directory of its own, and what tests see of it from outside."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import asyncpg
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres
from governlayer_server.adapters.embedded.roles import DATABASE

PROGRAMS = Path(sys.executable).parent
GOVERNLAYER = PROGRAMS / "governlayer"
GL_VERIFY = PROGRAMS / "gl-verify"
START_S = 60.0
# Tests of other things ask more than a plan admits.
LIMITS = {"GOVERNLAYER_ADDRESS_LIMIT": "60000", "GOVERNLAYER_ENTERPRISE_LIMIT": "60000"}
STOP_S = 10.0


class Tenant(NamedTuple):
    """An organization with one API key per set of scopes."""

    id: str
    name: str
    keys: Mapping[str, str]

    @property
    def key(self) -> str:
        """The key that may govern and audit."""
        return self.keys["govern,audit"]


class Appliance:
    """One data directory and the `governlayer up` that runs on it, if one does."""

    def __init__(self, data: Path, user: str | None = None, command: Sequence[str | Path] = (GOVERNLAYER,)) -> None:
        self.data = data
        self._user = user
        self.command = command
        self.out = data.with_name(data.name + ".out")
        self.err = data.with_name(data.name + ".err")
        self.url = ""
        self.environment: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self, *arguments: str) -> Self:
        """Start the process; do not wait for anything."""
        with self.out.open("wb") as out, self.err.open("ab") as err:
            self._process = subprocess.Popen(
                [*self.command, "up", "--data", self.data, "--json", *(arguments or ("--port", "0"))],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self._as_user(),
            )
        return self

    def start(self, *arguments: str) -> Self:
        """Start the process and return when it serves."""
        self.launch(*arguments)
        ready = self.first_line()
        self.url = ready["url"]
        return self

    def first_line(self) -> dict[str, Any]:
        """Return the JSON object that is printed when the appliance serves."""
        self.wait_for(lambda: b"\n" in self.out.read_bytes() or not self.is_running, START_S)
        line, newline, _ = self.out.read_bytes().partition(b"\n")
        assert newline, f"it did not start: {self.errors()}"
        ready: dict[str, Any] = json.loads(line)
        return ready

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def errors(self) -> str:
        """Return all that this appliance has ever written to standard error."""
        return self.err.read_text("utf-8", "replace") if self.err.exists() else ""

    def wait_end(self, limit_s: float = STOP_S) -> int:
        """Return the exit status."""
        assert self._process is not None
        return self._process.wait(limit_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send *number*, return the exit status."""
        assert self._process is not None
        self._process.send_signal(number)
        return self.wait_end()

    def kill(self) -> None:
        """kill -9 of `up` alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)

    def postgres(self) -> list[int]:
        """Return the process ids of PostgreSQL, the postmaster first."""
        found = [pid for pid in processes_below(self.data) if _comm(pid) == "postgres"]
        return sorted(found, key=lambda pid: (_parent(pid) in found, pid))

    def redis(self) -> list[int]:
        return [pid for pid in processes_below(self.data) if _comm(pid) == "redis-server"]

    def left(self) -> list[str]:
        """Return what still runs of this appliance, itself included, as command lines."""
        return [f"{pid} {_cmdline(pid)}" for pid in processes_below(self.data)]

    def wait_for(self, condition: Callable[[], object], limit_s: float = STOP_S) -> None:
        """Return when *condition* holds."""
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"waited {limit_s} s in vain; standard error ends: {self._end()}"
            time.sleep(0.01)

    def cli(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `governlayer …` with ``--data`` to its end, whatever that is."""
        return subprocess.run(
            [*self.command, *arguments, "--data", self.data],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **self._as_user(),
        )

    def cli_json(self, *arguments: str | Path) -> dict[str, Any]:
        """Run `governlayer … --json`, which must succeed."""
        done = self.cli(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    def tenant(self, name: str, *scope_sets: str) -> Tenant:
        """Create an organization with an API key for each of *scope_sets*, and one for ``govern,audit``."""
        created = self.cli_json(
            "orgs", "create", "--name", name, "--plan", "enterprise", "--owner-email", f"owner@{name.lower()}.example"
        )
        keys = {
            scopes: self.cli_json("keys", "create", "--org", created["id"], "--name", scopes, "--scopes", scopes)["key"]
            for scopes in dict.fromkeys(("govern,audit", *scope_sets))
        }
        return Tenant(created["id"], name, keys)

    def dump(self, tenant: Tenant, *arguments: str) -> Path:
        """Write the dump of *tenant*'s ledger with the command line; return its path."""
        path = self.data.with_name(f"{tenant.name}.gldump")
        done = self.cli("ledger", "dump", "--org", tenant.id, "-o", path, *arguments)
        assert done.returncode == 0, done.stderr
        return path

    def ledger_key(self) -> str:
        """Return the verifier key that the operator hands out."""
        done = self.cli("ledger", "key")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def verify(self, dump: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run gl-verify on *dump* with the deployment's key."""
        return subprocess.run(
            [GL_VERIFY, dump, "--key", self.ledger_key(), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def assert_verified(self, dump: Path, *arguments: str | Path) -> None:
        done = self.verify(dump, *arguments)
        assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"

    def query(self, sql: str) -> list[Any]:
        """Return the rows of *sql*, asked as PostgreSQL's superuser."""
        return asyncio.run(self._query(sql))

    async def _query(self, sql: str) -> list[Any]:
        login = EmbeddedPostgres(DataDirectory.open(self.data)).admin.options()
        connection = await asyncpg.connect(**{**login, "database": DATABASE})
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    def end(self) -> list[str]:
        """End whatever still runs, by force, and return what a clean end has left behind."""
        left = []
        if self.is_running:
            with suppress(subprocess.TimeoutExpired):
                self.stop()
            left = self.left()
        for pid in processes_below(self.data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left

    def _as_user(self) -> dict[str, Any]:
        home = {"HOME": str(self.data.parent), "PATH": os.environ["PATH"], **LIMITS, **self.environment}
        if self._user is None:
            return {"env": home}
        return {"env": home, "user": self._user, "group": "nogroup", "extra_groups": []}

    def _end(self) -> str:
        return self.errors()[-2000:]


def command_for(user: str, venv: Path) -> list[str | Path]:
    """Return a command that is `governlayer` for *user*, who may not be able to read the interpreter of the tests."""
    if _can_run(user, Path(sys.executable)):
        return [GOVERNLAYER]
    copy = venv / "interpreter"
    leave_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "*.a")
    shutil.copytree(sys.base_prefix, copy, symlinks=True, ignore=leave_out, copy_function=_link)
    interpreter = copy / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([interpreter, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "tested.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    libraries = f"LD_LIBRARY_PATH={copy / 'lib'}"
    return ["env", libraries, venv / "bin" / "python", "-c", "from governlayer_server.cli import main; main()"]


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def _can_run(user: str, program: Path) -> bool:
    try:
        return subprocess.run([program, "-c", ""], user=user, extra_groups=[], env={}, check=False).returncode == 0
    except OSError:
        return False


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Send *number* to all of *pids* that still exist."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def processes_below(path: Path) -> list[int]:
    """Return the living processes that work below *path* or name it on their command line; never this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if (entry / "cwd").readlink().is_relative_to(path) or any(_is_below(one, path) for one in arguments):
                found.append(int(entry.name))
    return found


def _is_below(argument: bytes, path: Path) -> bool:
    return argument == bytes(path) or argument.startswith(bytes(path) + b"/")


def _comm(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _cmdline(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    return ""


def _parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
