"""PostgreSQL as Debian packages it, with TLS: the one out of the wheel has none (docs/adr/0005, 0006)."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from governlayer_server.adapters.embedded.account import Account, choose_account, entering
from governlayer_server.adapters.postgres.address import PostgresAddress, PostgresTls

from tests.fakes.tls import Pair

_OURS = Path(os.environ.get("DEBIAN_SERVERS") or Path(__file__).parents[2] / ".tools" / "debian")
PASSWORD = "CANARY-password"
USER = "canary_user"
_START_S = 60.0


def program(name: str, tool: str = "tools/debian_servers.sh") -> Path:
    """
    Return a program of Debian's, which *tool* fetches: PostgreSQL, Redis, Docker Compose.

    Where there is none the test is skipped, with the way out; with CI=true it fails.
    """
    places = [*_OURS.glob("bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")]
    found = [place / name for place in places if (place / name).exists()]
    if found:
        return found[0]
    message = f"NOT TESTED: this needs Debian's {name}: run {tool}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


class DebianPostgres:
    """
    A cluster in a temporary directory; ``serving`` runs it with TLS or without.

    Args:
        place: the directory.
        copy_of: a cluster that does not run, to begin with its data; None: an empty one.
    """

    def __init__(self, place: Path, copy_of: "DebianPostgres | None" = None) -> None:
        self.place = place
        self.data = place / "data"
        self.log = place / "log"
        self.account: Account = choose_account(program("initdb"), self.data, place)
        shutil.chown(place, self.account.uid, self.account.gid)
        if copy_of is None:
            self._initialise()
        else:
            shutil.copytree(copy_of.data, self.data)
            for path in (self.data, *self.data.rglob("*")):
                shutil.chown(path, self.account.uid, self.account.gid)

    def _initialise(self) -> None:
        password = self.place / "password"
        password.write_text(PASSWORD)
        shutil.chown(password, self.account.uid, self.account.gid)
        self._run(
            program("initdb"), "-D", self.data, "-U", USER, "--pwfile", password, "--auth=scram-sha-256",
            "--locale=C", "--encoding=UTF8", "--no-sync",
        )  # fmt: skip

    @contextmanager
    def serving(self, pair: Pair | None, rule: str = "all all all scram-sha-256", *options: str) -> Iterator[int]:
        """Yield the port that it listens on, on 127.0.0.1, with the certificate of *pair* or without TLS."""
        tls = self._tls_options(pair) if pair else ["ssl=off"]
        (self.data / "pg_hba.conf").write_text(f"{'hostssl' if pair else 'host'} {rule}\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={port}", *tls, *options]
        arguments = [argument for setting in settings for argument in ("-c", setting)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [program("postgres"), "-D", self.data, *arguments], stdout=log, stderr=log, **self._as_account()
            )
        try:
            self._wait(process)
            yield port
        finally:
            process.send_signal(2)  # PostgreSQL's fast stop
            process.wait(30)

    def _tls_options(self, pair: Pair) -> list[str]:
        for name, source in (("server.crt", pair.certificate), ("server.key", pair.key), ("ca.crt", pair.ca)):
            copy = self.data / name
            shutil.copy(source, copy)
            copy.chmod(0o600)
            shutil.chown(copy, self.account.uid, self.account.gid)
        return ["ssl=on", "ssl_ca_file=ca.crt"]

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Return when the postmaster has written that it is ready; its socket is there earlier."""
        deadline = time.monotonic() + _START_S
        while not _is_ready(self.data / "postmaster.pid", process.pid):
            running = process.poll() is None and time.monotonic() < deadline
            assert running, self.log.read_text(errors="replace")[-2000:]
            time.sleep(0.02)

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._as_account())
        assert done.returncode == 0, done.stderr

    def _as_account(self) -> dict[str, Any]:
        given: dict[str, Any] = {
            "env": {"PATH": os.environ["PATH"]},
            "cwd": self.place,
            "preexec_fn": entering(self.account),
        }
        if self.account.is_other:
            given |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return given


def _is_ready(file: Path, pid: int) -> bool:
    lines = file.read_text().splitlines() if file.exists() else []
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


@pytest.fixture(scope="session")
def debian_postgres() -> Iterator[DebianPostgres]:
    """Return a cluster of Debian's PostgreSQL that does not run yet."""
    program("postgres")
    place = Path(tempfile.mkdtemp(prefix="gl-debian-"))
    place.chmod(0o755)
    yield DebianPostgres(place)
    shutil.rmtree(place)


def address_at(port: int, tls: PostgresTls | None, host: str = "localhost") -> PostgresAddress:
    return PostgresAddress(host=host, port=port, database="postgres", user=USER, password=PASSWORD, tls=tls)
