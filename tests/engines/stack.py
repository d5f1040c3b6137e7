"""The appliance in containers: PostgreSQL, Valkey and the server on one Docker network, TLS on each hop."""

import json
import time
from collections.abc import Sequence

from tools.engines.images import ARCHIVES, OURS, POSTGRES, VALKEY
from tools.engines.machine import Machine, wait_until

HOME = "/mnt/data/home"
#: What the server keeps to: no right, no writable file but two places, limits.
HARDENED = (
    "--read-only", "--tmpfs=/tmp:size=64m,mode=1777", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--memory=1g", "--pids-limit=256",
)  # fmt: skip
_STORE = (*HARDENED, "--user=999:999")
_HBA = "local all all trust\nhostssl governlayer governlayer_owner,governlayer_app all scram-sha-256\n"
_ROLES = """#!/bin/sh
set -eu
for role in owner app; do
    psql -v ON_ERROR_STOP=1 -c "CREATE ROLE governlayer_$role LOGIN PASSWORD '$(cat /store/secrets/database-$role-password)'"
done
psql -v ON_ERROR_STOP=1 -c 'CREATE DATABASE governlayer OWNER governlayer_owner'
"""
_REDIS = (
    "port 0\ntls-port 6379\ntls-cert-file /store/tls/redis.crt\ntls-key-file /store/tls/redis.key\ntls-auth-clients no\n"
    'save ""\nappendonly no\nmaxmemory 64mb\nmaxmemory-policy noeviction\n'
)
_SETTINGS = {
    "DATABASE_HOST": "postgres",
    "DATABASE_CA": "/home/tls/ca.crt",
    "DATABASE_USER": "governlayer_app",
    "DATABASE_PASSWORD_FILE": "/home/secrets/database-app-password",
    "DATABASE_OWNER_USER": "governlayer_owner",
    "DATABASE_OWNER_PASSWORD_FILE": "/home/secrets/database-owner-password",
    "REDIS_HOST": "redis",
    "REDIS_CA": "/home/tls/ca.crt",
    "REDIS_PASSWORD_FILE": "/home/secrets/redis-password",
    "KEY_PROVIDER": "file",
    "KEY_ENCRYPTION_KEY_FILE": "/home/secrets/key-encryption-key",
    "PEPPER_FILE": "/home/secrets/pepper",
    "JWT_SECRET_FILE": "/home/secrets/jwt-secret",
    "METRICS_TOKEN_FILE": "/home/secrets/metrics-token",
    "BACKUP_PASSPHRASE_FILE": "/home/secrets/backup-passphrase",
    "TLS_CERTIFICATE": "/home/tls/server.crt",
    "TLS_KEY": "/home/tls/server.key",
}
_OWNER = {
    "DATABASE_USER": "governlayer_owner",
    "DATABASE_PASSWORD_FILE": "/home/secrets/database-owner-password",
}
_PATIENCE_S = 300.0  # the machine may have other things to do
QUESTION = {
    "stage": "model_request",
    "agent": {"id": "support-bot"},
    "action": {"name": "model.complete"},
    "content": [{"role": "user", "text": "Write to jane.doe@example.com"}],
}


class Stack:
    """On a machine whose Docker engine runs; names of containers: postgres, redis, server."""

    def __init__(self, machine: Machine, uid: str = "10001:10001") -> None:
        self.machine = machine
        self.uid = uid

    def up(self) -> float:
        """Make keys and certificates with the image's own commands, start all; return what ``start_server`` returns."""
        for name in ARCHIVES:
            self.machine.docker("load", "--quiet", "--input", f"/images/{name}.tar")
        self.machine.docker("network", "create", "data")
        self.make_files()
        self.start_stores()
        self.governlayer("migrate", settings=_OWNER)
        return self.start_server()

    def make_files(self) -> None:
        """Make certificates and secrets; the stores get copies of theirs, which they own."""
        self._shell(f"mkdir -p {HOME} && chown {self.uid} {HOME}")
        offline = ["--network=none", *self._home()]
        self._once(offline, "tls", "init", "--directory", "/home/tls", "--name", "server", "--name", "localhost")
        for file, name in (("postgresql", "postgres"), ("redis", "redis")):
            self._once(offline, "tls", "issue", file, "--directory", "/home/tls", "--name", name)
        self._once(offline, "secrets", "init", "--directory", "/home/secrets")
        self._shell(f"cp -r {HOME} /mnt/data/store && mkdir /mnt/data/store/init /mnt/data/pgdata")
        self._write("/mnt/data/store/pg_hba.conf", _HBA)
        self._write("/mnt/data/store/init/roles.sh", _ROLES)
        self._write("/mnt/data/store/redis.conf", _REDIS)
        self._shell(
            'cd /mnt/data/store && echo "requirepass $(cat secrets/redis-password)" >>redis.conf && '
            "chmod 755 init/roles.sh && chown -R 999:999 . ../pgdata"
        )

    def start_stores(self) -> None:
        """Start PostgreSQL and Valkey and wait for both."""
        store = ["--network=data", "--volume=/mnt/data/store:/store:ro", *_STORE]
        postgres = [
            "--tmpfs=/var/run/postgresql:mode=1777", "--volume=/mnt/data/pgdata:/var/lib/postgresql/data",
            "--volume=/mnt/data/store/init:/docker-entrypoint-initdb.d:ro",
            "--env=POSTGRES_PASSWORD_FILE=/store/secrets/database-superuser-password",
        ]  # fmt: skip
        options = ["ssl=on", "ssl_cert_file=/store/tls/postgresql.crt", "ssl_key_file=/store/tls/postgresql.key",
                   "hba_file=/store/pg_hba.conf"]  # fmt: skip
        given = [word for option in options for word in ("-c", option)]
        self.machine.docker("run", "--detach", "--name=postgres", *store, *postgres, POSTGRES, "postgres", *given)
        self.machine.docker("run", "--detach", "--name=redis", *store, VALKEY, "valkey-server", "/store/redis.conf")
        # Not over the socket, on which the first start's own server answers already.
        wait_until(
            lambda: self._in("postgres", "pg_isready", "-h", "127.0.0.1") == 0, "PostgreSQL does not start", _PATIENCE_S
        )

    def start_server(self, *options: str) -> float:
        """Start the server as hardened as it is to run; return the seconds until Docker calls it healthy."""
        begun = time.monotonic()
        run = ["run", "--detach", "--name=server", "--network=data", "--health-interval=1s", *options]
        self.machine.docker(*run, *self._home(), *HARDENED, *self._environment(), OURS)
        try:
            wait_until(lambda: self.health() == "healthy", "not healthy", _PATIENCE_S)
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.logs()}") from None
        return time.monotonic() - begun

    def stop_server(self) -> tuple[int, float]:
        """Stop the server as Docker does (SIGTERM), remove it; return its exit status and the seconds that it took."""
        begun = time.monotonic()
        self.machine.docker("stop", "--time=30", "server")
        seconds = time.monotonic() - begun
        code = int(self.machine.docker("inspect", "--format={{.State.ExitCode}}", "server"))
        self.machine.docker("rm", "server")
        return code, seconds

    def health(self) -> str:
        """What Docker's health check says."""
        return self.machine.docker("inspect", "--format={{.State.Health.Status}}", "server")

    def logs(self) -> str:
        """What the server wrote."""
        done = self.machine.run("docker", "logs", "server", check=False)
        return done.stdout + done.stderr

    def governlayer(self, *arguments: str, settings: dict[str, str] | None = None) -> str:
        """Run a command of the operator in a container of its own."""
        return self._once(["--network=data", *self._home(), *self._environment(settings or {})], *arguments)

    def first_key(self) -> str:
        """Found an organization and return an API key of it."""
        self.governlayer("orgs", "create", "--name=Acme", "--plan=pro", "--owner-email=owner@example.com")
        made = self.governlayer("keys", "create", "--org=Acme", "--name=agents", "--scopes=govern,audit", "--json")
        return str(json.loads(made)["key"])

    def ask(self, key: str) -> dict[str, object]:
        """Ask for a decision over verified TLS."""
        self._write("/mnt/data/question", json.dumps(QUESTION))
        headers = ["--header", f"X-API-Key: {key}", "--header", "Content-Type: application/json"]
        answer = self.curl("/v1/govern", *headers, "--data", "@/mnt/data/question")
        decision: dict[str, object] = json.loads(answer)
        return decision

    def curl(self, path: str, *options: str) -> str:
        """Ask the server from its host, by the name in its certificate."""
        address = self.machine.docker("inspect", "--format={{.NetworkSettings.Networks.data.IPAddress}}", "server")
        where = ["--resolve", f"server:8600:{address}", "--cacert", f"{HOME}/tls/ca.crt"]
        return self.machine.run("curl", "-sS", "--fail", *where, *options, f"https://server:8600{path}").stdout

    def _once(self, options: Sequence[str], *arguments: str) -> str:
        return self.machine.docker("run", "--rm", *options, *HARDENED, OURS, *arguments)

    def _home(self) -> list[str]:
        return [f"--user={self.uid}", f"--volume={HOME}:/home"]

    def _environment(self, settings: dict[str, str] | None = None) -> list[str]:
        return [f"--env=GOVERNLAYER_{name}={value}" for name, value in (_SETTINGS | (settings or {})).items()]

    def _in(self, container: str, *command: str) -> int:
        return self.machine.run("docker", "exec", container, *command, check=False).returncode

    def _shell(self, script: str) -> None:
        self.machine.run("sh", "-ec", script)

    def _write(self, file: str, text: str) -> None:
        self.machine.run("tee", file, input=text)
