"""A machine that the Compose bundle is installed on, as an operator does it, and what its agents see."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.engines.machine import ENGINES, ROOT, Machine

HERE = Path(__file__).parent
NAME = "govern.example.com"
IMAGES = """\
GOVERNLAYER_IMAGE localhost/governlayer/governlayer:0.1.0
POSTGRES_IMAGE docker.io/library/postgres:17
REDIS_IMAGE docker.io/valkey/valkey:8
PROXY_IMAGE docker.io/library/haproxy:3.2 optional
"""
INSIDE = "/srv/site"
SERVING = ("server", "backup", "postgres", "redis")


class Site:
    """
    A directory of this host, which the machine has too, with bundles in it.

    Args:
        machine: that was started, with *place* as ``INSIDE``.
        place: the directory.
        state: of the machine.
    """

    def __init__(self, machine: Machine, place: Path, state: Path) -> None:
        self.machine = machine
        self.place = place
        self.volumes = state / "data" / "docker" / "volumes"
        self.bundle = "first"
        self.key = ""
        self.acknowledged = 0

    def make_bundle(self) -> str:
        """Make the offline bundle from the sources and the images; return what the script said."""
        source = self.place / "source"
        shutil.copytree(ROOT / "deploy" / "compose", source)
        (source / "stand-ins.txt").write_text(IMAGES, "utf-8")
        for archive in ("governlayer", "postgres", "redis"):
            self.machine.docker("load", "--quiet", "--input", f"/images/{archive}.tar")
        self.machine.docker("import", "/images/bases/haproxy.tar", "docker.io/library/haproxy:3.2")
        return self.run("./bundle.sh", "--images", "stand-ins.txt", f"{INSIDE}/first", at="source").stdout

    def unpack(self, name: str) -> None:
        """Unpack the bundle into a new directory: what it holds, and nothing that was made since."""
        new, sums = self.place / name, (self.place / "first" / "SHA256SUMS").read_text()
        for line in [*sums.splitlines(), "- SHA256SUMS"]:
            file = line.split()[-1]
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            os.link(self.place / "first" / file, new / file)

    def set(self, **settings: str) -> None:
        """Change what .env says."""
        file = self.place / self.bundle / ".env"
        lines = [line for line in file.read_text().splitlines() if line.partition("=")[0] not in settings]
        file.write_text("\n".join([*lines, *(f'{name}="{value}"' for name, value in settings.items())]) + "\n")

    def forget_images(self) -> None:
        self.machine.docker("image", "rm", "--force", *(line.split()[1] for line in IMAGES.splitlines()))
        assert self.machine.docker("images", "--quiet") == ""

    def run(
        self, *command: str, at: str | None = None, answer: str = "", status: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Run *command* in the bundle, as an operator does."""
        whole = ("sh", "-c", 'cd "$1" && shift && "$@"', "sh", f"{INSIDE}/{at or self.bundle}", *command)
        done = self.machine.run(*whole, check=False, input=answer)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def timed(self, *command: str, **more: Any) -> float:
        """Run *command* and return how many seconds it took."""
        begun = time.monotonic()
        self.run(*command, **more)
        return time.monotonic() - begun

    def cli(self, *arguments: str) -> Any:
        """Run `governlayer … --json` in the server."""
        done = self.run("docker", "compose", "exec", "-T", "server", "governlayer", *arguments, "--json")
        return json.loads(done.stdout)

    def found(self) -> None:
        """Make an organization and a key for its agent."""
        self.cli("orgs", "create", "--name", "Acme", "--plan", "enterprise", "--owner-email", "owner@acme.example")
        self.key = self.cli("keys", "create", "--org", "Acme", "--name", "agent", "--scopes", "govern,audit")["key"]

    def decide(self, count: int = 1, port: int = 8600, text: str = "Hello") -> None:
        """Get *count* decisions with the SDK over TLS, which has to be verified; each of them is an allow."""
        done = self._ask(count, port, text)
        assert (done.returncode, done.stdout.split()) == (0, ["allow"] * count), done.stdout + done.stderr
        self.acknowledged += count

    def tries_to_decide(self) -> bool:
        """Return whether there was a decision, which is an allow; while the appliance is away there is a deny."""
        is_allowed = self._ask(1).stdout.split() == ["allow"]
        self.acknowledged += is_allowed
        return is_allowed

    @contextmanager
    def asking(self) -> Iterator[list[float]]:
        """Have an agent ask for one decision after the other; yield when each came, in seconds."""
        answered, over = [time.monotonic()], threading.Event()

        def ask() -> None:
            while not over.is_set():
                if self.tries_to_decide():
                    answered.append(time.monotonic())

        agent = threading.Thread(target=ask)
        agent.start()
        try:
            yield answered
        finally:
            over.set()
            agent.join()

    def _ask(self, count: int, port: int = 8600, text: str = "Hello") -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place),
            "GOVERNLAYER_API_KEY": self.key,
            "GOVERNLAYER_BASE_URL": f"https://localhost:{port}",
            "GOVERNLAYER_CA_BUNDLE": str(self.place / self.bundle / "config" / "ca.crt"),
            "GOVERNLAYER_STATE_DIR": str(self.place / f"agent-{self.bundle}"),
        }
        return self.beside(sys.executable, str(HERE / "agent.py"), str(count), text, env=environment)

    def beside(self, *command: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command of this host in the machine's network."""
        done: subprocess.CompletedProcess[str] = subprocess.run(
            self.machine.beside(command), capture_output=True, text=True, check=False, timeout=120, **options
        )
        return done

    def inspect(self, service: str) -> Any:
        """Inspect a container of *service*; Compose gives replicas any number."""
        ours = (f"label=com.docker.compose.service={service}", "label=com.docker.compose.oneoff=False")
        found = self.machine.docker("ps", "--all", "--quiet", *(f"--filter={one}" for one in ours)).split()
        return json.loads(self.machine.docker("inspect", found[0]))[0]

    def address(self, service: str) -> str:
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        found: str = networks["governlayer_data"]["IPAddress"]
        return found

    def secrets(self) -> dict[str, str]:
        """Return every secret of the installation, by volume and name."""
        found = {}
        for volume in ("secrets", "owner", "postgres-files", "redis-files", "tls", "authority"):
            for file in (self.volumes / f"governlayer_{volume}" / "_data").rglob("*"):
                if file.is_file() and file.suffix not in {".crt", ".acl", ".cedar"} and file.name not in _PUBLIC:
                    found[f"{volume}/{file.name}"] = file.read_text("ascii").strip()
        return found

    def verified(self, folder: Path) -> int:
        """Dump the ledger, have it judged by gl-verify; return how many decisions it has, at least those acknowledged."""
        dump = folder / "ledger.gldump"
        done = self.run("docker", "compose", "exec", "-T", "server", "governlayer", "ledger", "dump", "--org", "Acme")
        dump.write_text(done.stdout, "utf-8")
        key = self.run("docker", "compose", "exec", "-T", "server", "governlayer", "ledger", "key").stdout.strip()
        command = [Path(sys.executable).parent / "gl-verify", dump, "--key", key]
        judged = subprocess.run(command, capture_output=True, text=True, check=False)
        assert judged.returncode == 0, judged.stdout + judged.stderr
        decisions = dump.read_text("utf-8").count('"type":"decision","v":1}\n')
        assert decisions >= self.acknowledged
        return decisions


_PUBLIC = {"deployment", "made"}


def images() -> Path:
    """Return the folder with the images, which the session `image` makes."""
    return ENGINES / "images"
