"""`governlayer serve` as in docs/how-to/tls.md: PostgreSQL elsewhere, reached over TLS, and HTTPS to the clients."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from governlayer_server.adapters.tls.contexts import client_context
from governlayer_server.policies import DEFAULT
from governlayer_server.settings import PREFIX, encode_secret

from tests.fakes.debian import PASSWORD, USER, DebianPostgres, program
from tests.fakes.tls import Pair, server_pair
from tests.system.appliance import GOVERNLAYER, START_S, STOP_S
from tests.system.client import Client, question

ROLES = (
    f"CREATE ROLE governlayer_owner LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE governlayer_app LOGIN PASSWORD '{PASSWORD}'",
    "CREATE DATABASE governlayer OWNER governlayer_owner",
)


async def _ask(port: int, pair: Pair, *statements: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(
        host="localhost", port=port, user=USER, password=PASSWORD, database="postgres", ssl=client_context(pair.ca)
    )
    try:
        return [tuple(row) for statement in statements for row in await connection.fetch(statement)]
    finally:
        await connection.close()


@contextmanager
def redis(place: Path) -> Iterator[Path]:
    """Yield the socket of a Redis that listens nowhere else."""
    path = place / "redis.sock"
    process = subprocess.Popen(
        [program("redis-server"), "--port", "0", "--unixsocket", path, "--save", "", "--dir", place],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(path.exists)
        yield path
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def environment(debian_postgres: DebianPostgres, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the settings for PostgreSQL over TLS and Redis on a socket, both running."""
    pair = server_pair(tmp_path / "tls")
    (tmp_path / "default.cedar").write_text(DEFAULT)
    with debian_postgres.serving(pair) as port, redis(tmp_path) as socket_path:
        asyncio.run(_ask(port, pair, *ROLES))
        values = {
            "DATABASE_HOST": "localhost", "DATABASE_PORT": str(port), "DATABASE_USER": "governlayer_app",
            "DATABASE_PASSWORD": PASSWORD, "DATABASE_CA": str(pair.ca), "REDIS_SOCKET": str(socket_path),
            "KEY_ENCRYPTION_KEY": encode_secret(bytes(range(32))), "PEPPER": encode_secret(bytes(range(32, 64))),
            "JWT_SECRET": encode_secret(bytes(range(64))),
            "POLICIES": str(tmp_path / "default.cedar"), "TLS_CERTIFICATE": str(pair.certificate),
            "TLS_KEY": str(pair.key),
        }  # fmt: skip
        yield {"PATH": os.environ["PATH"], **{PREFIX + name: value for name, value in values.items()}}


def run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [GOVERNLAYER, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(environment: dict[str, str], log: Path) -> Iterator[int]:
    """Yield the port of a `governlayer serve`, which ends in order."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with log.open("wb") as errors:
        process = subprocess.Popen([GOVERNLAYER, "serve", "--port", str(port)], env=environment, stderr=errors)
    try:
        _wait(lambda: b"serving on" in log.read_bytes() or process.poll() is not None)
        assert f"serving on https://127.0.0.1:{port}" in log.read_text()
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0


def test_every_hop_is_encrypted(environment: dict[str, str], tmp_path: Path) -> None:
    pair = Pair(*(tmp_path / "tls" / name for name in ("server.crt", "server.key", "ca.crt")))
    run({**environment, PREFIX + "DATABASE_USER": "governlayer_owner"}, "migrate")
    with serving(environment, tmp_path / "log") as port:
        made = json.loads(
            run(
                environment,
                "orgs",
                "create",
                "--name",
                "Acme",
                "--plan",
                "pro",
                "--owner-email",
                "a@b.example",
                "--json",
            )
        )
        key = json.loads(
            run(environment, "keys", "create", "--org", made["id"], "--name", "k", "--scopes", "govern", "--json")
        )["key"]
        client = Client(port, key, tls=client_context(pair.ca))
        assert client.govern(question()).json()["decision"] == "allow"
        assert client.get("/readyz").status == 200
        database = int(environment[PREFIX + "DATABASE_PORT"])
        connections = asyncio.run(
            _ask(
                database,
                pair,
                "SELECT DISTINCT ssl, version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                "WHERE application_name = 'governlayer'",
            )
        )
    assert connections == [(True, "TLSv1.3")]
