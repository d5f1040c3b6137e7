"""`governlayer serve` replicas as real processes, on the PostgreSQL and Redis that a test started."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.cli.common import embedded_settings
from governlayer_server.settings import PREFIX, encode_secret

from tests.system.appliance import GOVERNLAYER, Appliance
from tests.system.client import Client

_START_S = 60.0


class Replica:
    """One `governlayer serve` on a loopback port."""

    def __init__(self, name: str, home: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), **environment}
        self._err = home / f"{name}.err"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it is alive."""
        with self._err.open("ab") as err:
            self._process = subprocess.Popen(
                [GOVERNLAYER, "serve", "--port", str(self.port)],
                env=self._environment,
                stdout=err,
                stderr=err,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while True:
            with suppress(OSError):
                if Client(self.port).get("/livez").status == 200:
                    return
            assert self._process.poll() is None, self._err.read_text("utf-8", "replace")[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """Stop it in order; return its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)


def environment_of(appliance: Appliance, **more: str) -> dict[str, str]:
    """Return the settings with which `serve` uses the PostgreSQL and Redis of a running *appliance*."""
    settings = embedded_settings(DataDirectory.open(appliance.data))
    database, redis = settings.database, settings.redis
    given: dict[str, Any] = {
        "DEPLOYMENT": settings.deployment,
        "DATABASE_HOST": database.host,
        "DATABASE_PORT": database.port,
        "DATABASE_NAME": database.database,
        "DATABASE_USER": database.user,
        "DATABASE_PASSWORD": database.password,
        "REDIS_SOCKET": redis.socket,
        "REDIS_USER": redis.user,
        "REDIS_PASSWORD": redis.password,
        "KEY_ENCRYPTION_KEY": encode_secret(asyncio.run(settings.keys.keys())[0]),
        "PEPPER": encode_secret(settings.pepper),
        "JWT_SECRET": encode_secret(settings.identity.jwt_secrets[0]),
        "POLICIES": settings.policies,
        **more,
    }
    return {PREFIX + name: str(value) for name, value in given.items()}


@contextmanager
def running_replicas(appliance: Appliance, count: int, **more: str) -> Iterator[list[Replica]]:
    """Yield *count* replicas beside the server of *appliance*; they end with the context."""
    home = appliance.data.with_name("replicas")
    home.mkdir(mode=0o700)
    environment = environment_of(appliance, REPLICAS=str(count), **more)
    replicas = [Replica(f"replica{number}", home, environment) for number in range(count)]
    try:
        for one in replicas:
            one.start()
        yield replicas
        assert [one.stop() for one in replicas] == [0] * count
    finally:
        for one in replicas:
            one.kill()
        shutil.rmtree(home)
