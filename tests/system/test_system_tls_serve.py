"""
`governlayer serve` as in docs/how-to/tls.md: PostgreSQL and Redis elsewhere, reached over TLS, and HTTPS to the clients.

The operator's commands work from the same settings, as in a container: without a data directory, a home or a shell.
"""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
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
from tests.fakes.redis_processes import free_ports
from tests.fakes.tls import Pair, server_pair
from tests.system.appliance import GL_VERIFY, GOVERNLAYER, START_S, STOP_S
from tests.system.client import Client, question

PASSPHRASE = "six random words of the operator"
# Each line is a command; all of them in one process, because a start takes a second.
SEVERAL = """
import contextlib, io, json, shlex, sys
from governlayer_server.cli.commands import governlayer
from governlayer_server.domain.errors import GovernLayerError
done = []
for line in sys.argv[1:]:
    status, out = 0, io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            governlayer(shlex.split(line), standalone_mode=False)
        except SystemExit as end:
            status = int(end.code or 0)
        except GovernLayerError as error:
            status, out = 1, io.StringIO(str(error))
    done.append((status, out.getvalue()))
print(json.dumps(done))
"""
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
def redis(place: Path, pair: Pair) -> Iterator[int]:
    """Yield the port of a Redis that takes TLS only, and whoever knows the password."""
    (port,) = free_ports(1)
    options = {
        "--port": "0", "--tls-port": str(port), "--bind": "127.0.0.1", "--tls-cert-file": pair.certificate,
        "--tls-key-file": pair.key, "--tls-ca-cert-file": pair.ca, "--tls-auth-clients": "no",
        "--requirepass": PASSWORD, "--save": "", "--dir": place,
    }  # fmt: skip
    process = subprocess.Popen(
        [program("redis-server"), *(part for option in options.items() for part in option)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(lambda: _listens(port))
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def pair(place: Path) -> Pair:
    return server_pair(place / "tls")


@pytest.fixture(scope="module")
def environment(debian_postgres: DebianPostgres, place: Path, pair: Pair) -> Iterator[dict[str, str]]:
    """Return the settings for PostgreSQL and Redis over TLS, both running, with secrets as files."""
    (place / "default.cedar").write_text(DEFAULT)
    secrets = {
        "DATABASE_PASSWORD": PASSWORD, "DATABASE_OWNER_PASSWORD": PASSWORD, "REDIS_PASSWORD": PASSWORD,
        "KEY_ENCRYPTION_KEY": encode_secret(bytes(range(32))), "PEPPER": encode_secret(bytes(range(32, 64))),
        "JWT_SECRET": encode_secret(bytes(range(64))), "BACKUP_PASSPHRASE": PASSPHRASE,
        "METRICS_TOKEN": encode_secret(bytes(range(100, 132))),
    }  # fmt: skip
    for name, text in secrets.items():
        (place / name).write_text(text)
        (place / name).chmod(0o400)
    with debian_postgres.serving(pair) as port, redis(place, pair) as redis_port:
        asyncio.run(_ask(port, pair, *ROLES))
        values = {
            "DATABASE_HOST": "localhost", "DATABASE_PORT": port, "DATABASE_USER": "governlayer_app",
            "DATABASE_OWNER_USER": "governlayer_owner", "DATABASE_CA": pair.ca,
            "REDIS_HOST": "localhost", "REDIS_PORT": redis_port, "REDIS_CA": pair.ca, "KEY_PROVIDER": "file",
            "POLICIES": place / "default.cedar", "TLS_CERTIFICATE": pair.certificate, "TLS_KEY": pair.key,
            "BACKUP_TO": place / "backups", "TOMBSTONE_DIR": place / "tombstones",
            "PUBLIC_URL": "https://governlayer.example",
            **{f"{name}_FILE": place / name for name in secrets},
        }  # fmt: skip
        yield {"PATH": os.environ["PATH"], **{PREFIX + name: str(value) for name, value in values.items()}}


@pytest.fixture(scope="module")
def migrated(environment: dict[str, str]) -> dict[str, str]:
    """Return the settings; the tables are there."""
    run({**environment, PREFIX + "DATABASE_USER": "governlayer_owner"}, "migrate")
    return environment


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


def commands(environment: dict[str, str], *lines: str) -> list[tuple[int, str]]:
    """Run each of *lines* as the runtime role, all in one process; return exit status and output of each."""
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, *lines],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [(int(status), out) for status, out in json.loads(done.stdout)]


def test_the_operators_commands_work_as_in_a_container(migrated: dict[str, str], place: Path) -> None:
    link, created, keys, users, reset, held, holds, again = commands(
        migrated, "orgs set-up-link", "orgs create --name Globex --owner-email o@globex.example", *(
            f"{command} --org Globex" for command in (
                "keys create --name k --scopes govern", "users list", "users reset-password --email o@globex.example",
                "holds create --reason audit --whole", "holds list",
            )
        ), "orgs set-up-link",
    )  # fmt: skip
    assert link[0] == 0
    assert link[1].startswith("https://governlayer.example/setup#invite=glt_")
    assert {one[0] for one in (created, keys, users, reset, held, holds)} == {0}, (
        created,
        keys,
        users,
        reset,
        held,
        holds,
    )
    assert reset[1].startswith("https://governlayer.example/reset#token=")
    assert again[0] == 1
    assert "there is an organization already" in again[1]
    kept, short, shown, retained = commands(
        migrated, "retention set --org Globex --days 200", "retention set --org Globex --data-class findings --days 9",
        "retention show --org Globex", "retention run",
    )  # fmt: skip
    assert {one[0] for one in (kept, shown, retained)} == {0}, (kept, shown, retained)
    assert short[0] == 1
    assert "183" in short[1]
    assert "for 200 days, unless erased before  Globex" in shown[1]
    assert retained[1] == "destroyed payloads of 0 records\n"
    out = place / "globex.gldump"
    erased, dump, backup, verified, sound, key, doctor = commands(
        migrated, "erase --org Globex --data-subject nobody --dry-run", f"ledger dump --org Globex -o {out}", "backup",
        "backup verify", "ledger fsck --all", "ledger key", "doctor",
    )  # fmt: skip
    assert erased == (1, "there is no data of this data subject")
    assert {one[0] for one in (dump, backup, verified)} == {0}, (dump, backup, verified)
    assert sound[0] == 0
    assert sound[1].count(": sound") == 2
    assert [line.split()[1] for line in doctor[1].splitlines() if line.startswith("FAIL")] == ["tls"]
    verify = [GL_VERIFY, out, "--key", key[1].strip()]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_commands_need_no_home_where_the_user_is_a_bare_number(migrated: dict[str, str]) -> None:
    as_nobody = ["unshare", "--user", "--map-user=10001", "--map-group=10001", GOVERNLAYER, "migrate", "--check"]
    done = subprocess.run(as_nobody, env=migrated, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "up to date\n")


def require_bundle(environment: dict[str, str], port: int) -> None:
    """The support bundle has the running server's figures, and no secret of the settings."""
    made = subprocess.run(
        [GOVERNLAYER, "support-bundle", "--port", str(port), "-o", "-"],
        env=environment, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as tar:
        files = {one.name.rpartition("/")[2]: (tar.extractfile(one) or io.BytesIO()).read() for one in tar.getmembers()}
    assert b"governlayer_decisions_total" in files["metrics.txt"]
    assert json.loads(files["ready.json"])["status"] == "ok"
    for file in Path(environment[PREFIX + "PEPPER_FILE"]).parent.glob("[A-Z]*"):
        assert not [name for name, content in files.items() if file.read_bytes().strip() in content], file


def test_every_hop_is_encrypted(migrated: dict[str, str], pair: Pair, tmp_path: Path) -> None:
    environment = migrated
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
        require_bundle(environment, port)
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
