"""`governlayer restore` into an external PostgreSQL: secrets are handed over, and the runtime role can serve."""

import asyncio
import json
import os
import stat
import sys
from pathlib import Path

from governlayer_server.settings import PREFIX

from tests.fakes.backup_place import PASSPHRASE, BackedUpPlace
from tests.fakes.ledger_place import Place
from tests.fakes.servers import Databases, Servers

COMMAND = "from governlayer_server.cli import main; main()"


async def governlayer(environment: dict[str, str], *arguments: str | Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, *map(str, arguments),
        env={"PATH": os.environ["PATH"], **{PREFIX + name: value for name, value in environment.items()}},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def database(servers: Servers) -> dict[str, str]:
    return {
        "DATABASE_HOST": servers.app.host,
        "DATABASE_NAME": servers.app.database,
        "DATABASE_USER": servers.app.user,
        "DATABASE_PASSWORD": servers.app.password,
        "REDIS_SOCKET": str(servers.redis.socket),
        "REDIS_USER": servers.redis.user,
        "REDIS_PASSWORD": servers.redis.password,
    }


async def test_secrets_are_handed_over_and_the_place_serves(
    place: Place, migrated_database: Servers, databases: Databases, tmp_path: Path
) -> None:
    world = BackedUpPlace(place, migrated_database, tmp_path / "backups")
    await world.fill()
    manifest = await world.back_up()
    to, secrets = await databases.empty(), tmp_path / "secrets"
    given = {**database(to), "BACKUP_PASSPHRASE": PASSPHRASE, "BACKUP_TO": str(world.directory)}
    owner = {"DATABASE_OWNER_USER": to.owner.user, "DATABASE_OWNER_PASSWORD": to.owner.password}
    for missing, arguments in ((owner, ()), ({}, ("--secrets", secrets))):
        status, _, err = await governlayer({**given, **missing}, "restore", *arguments)
        assert status == 1
        assert ("--secrets" if missing else "DATABASE_OWNER_USER") in err
        assert not secrets.exists()
    status, out, err = await governlayer({**given, **owner}, "restore", "--secrets", secrets, "--json")
    assert status == 0, err
    assert json.loads(out)["rows"] == manifest.rows
    assert {stat.S_IMODE(one.stat().st_mode) for one in secrets.iterdir()} == {0o600}
    files = {"KEY_ENCRYPTION_KEY": "key-encryption-key", "PEPPER": "pepper", "JWT_SECRET": "jwt-secret"}
    serving = {
        **database(to),
        **{f"{name}_FILE": str(secrets / file) for name, file in files.items()},
        "DEPLOYMENT": manifest.deployment,
        "POLICIES": str(secrets / "default.cedar"),
    }
    status, out, err = await governlayer(serving, "ledger", "fsck", "--all", "--json")
    assert status == 0, err
    assert {one["ledger_id"] for one in json.loads(out)["ledgers"]} == {one.id for one in manifest.ledgers}
    assert PASSPHRASE not in out + err
    await databases.drop(to)
