"""`governlayer migrate`, and what a server does with a schema that is not its own: older or newer, it does not start."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from governlayer_server.adapters.embedded.roles import Login
from governlayer_server.adapters.postgres.database import connect
from governlayer_server.adapters.postgres.migrate import apply_migrations, known_migrations
from governlayer_server.settings import PREFIX, Settings, encode_secret

from tests.fakes.servers import Servers, address
from tests.server.conftest import SECRET

PROGRAM = Path(sys.executable).parent / "governlayer"
ALL = known_migrations()


def environment(settings: Settings, login: Login) -> dict[str, str]:
    """Return the settings by which the commands act as the role of *login*."""
    database, redis = address(login), settings.redis
    given = {
        "DEPLOYMENT": settings.deployment, "DATABASE_HOST": database.host, "DATABASE_PORT": database.port,
        "DATABASE_NAME": database.database, "DATABASE_USER": database.user, "DATABASE_PASSWORD": database.password,
        "REDIS_SOCKET": redis.socket, "REDIS_USER": redis.user, "REDIS_PASSWORD": redis.password,
        "KEY_ENCRYPTION_KEY": encode_secret(SECRET), "PEPPER": encode_secret(settings.pepper),
        "JWT_SECRET": encode_secret(settings.identity.jwt_secrets[0]), "POLICIES": settings.policies,
    }  # fmt: skip
    return {"PATH": os.environ["PATH"], **{PREFIX + name: str(value) for name, value in given.items()}}


def governlayer(settings: Settings, servers: Servers, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, as the owner of the tables if it migrates, else as the server."""
    given = environment(settings, servers.owner if arguments[0] == "migrate" else servers.app)
    return subprocess.run([PROGRAM, *arguments], env=given, capture_output=True, text=True, timeout=60, check=False)


async def apply(servers: Servers, up_to: str) -> None:
    owner = await connect(address(servers.owner), patient=True)
    await apply_migrations(owner, up_to=up_to)
    await owner.close()


async def execute(servers: Servers, statement: str) -> None:
    tables = await asyncpg.connect(**servers.owner.options())
    await tables.execute(statement)
    await tables.close()


def test_looking_changes_nothing_and_exits_1_only_where_it_checks(settings: Settings, empty_database: Servers) -> None:
    asyncio.run(apply(empty_database, ALL[-3]))
    missing = ALL[-2:]
    check = governlayer(settings, empty_database, "migrate", "--check")
    assert (check.returncode, check.stdout.split()) == (1, missing)
    plan = governlayer(settings, empty_database, "migrate", "--plan")
    assert plan.returncode == 0
    assert [line.split()[0] for line in plan.stdout.splitlines() if not line.startswith(" ")] == missing
    assert plan.stdout.count("locks for a moment only") == len(missing)
    machine = governlayer(settings, empty_database, "migrate", "--plan", "--json")
    assert [one["id"] for one in json.loads(machine.stdout)["pending"]] == missing
    done = governlayer(settings, empty_database, "migrate", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"applied": missing})
    for arguments in (("migrate", "--check"), ("migrate",)):
        again = governlayer(settings, empty_database, *arguments)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "up to date\n")


def test_serve_refuses_an_older_schema(settings: Settings, empty_database: Servers) -> None:
    asyncio.run(apply(empty_database, ALL[-2]))
    refused = governlayer(settings, empty_database, "serve", "--port", "1")
    assert refused.returncode == 1
    assert "1 migrations have not been applied: run `governlayer migrate`" in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [("serve", "--port", "1"), ("migrate",)])
def test_a_newer_schema_is_refused(settings: Settings, empty_database: Servers, arguments: tuple[str, ...]) -> None:
    asyncio.run(apply(empty_database, ALL[-1]))
    newer = "INSERT INTO migration (name, app_name) VALUES ('2099-01-01T00:00:00:000000', 'governlayer')"
    asyncio.run(execute(empty_database, newer))
    refused = governlayer(settings, empty_database, *arguments)
    assert refused.returncode == 1
    assert "2099-01-01T00:00:00:000000" in refused.stderr.splitlines()[-1]
    assert "use the version that made them, or a newer one" in refused.stderr.splitlines()[-1]


def test_a_postgresql_that_does_not_answer_yet_is_waited_for(
    settings: Settings, empty_database: Servers, tmp_path: Path
) -> None:
    given = environment(settings, empty_database.owner)
    socket = tmp_path / "socket"  # is not there yet
    waiting = subprocess.Popen(
        [PROGRAM, "migrate", "--wait", "60"],
        env={**given, f"{PREFIX}DATABASE_HOST": str(socket)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    assert "waiting up to 60 s for PostgreSQL" in waiting.stderr.readline()
    socket.symlink_to(given[f"{PREFIX}DATABASE_HOST"])
    done, _ = waiting.communicate(timeout=60)
    assert (waiting.returncode, done.split()) == (0, ALL)


def test_a_postgresql_that_never_answers_is_given_up(
    settings: Settings, empty_database: Servers, tmp_path: Path
) -> None:
    given = {**environment(settings, empty_database.owner), f"{PREFIX}DATABASE_HOST": str(tmp_path)}
    refused = subprocess.run(
        [PROGRAM, "migrate", "--wait", "1"], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 2  # what it waits for, and that it has given up
