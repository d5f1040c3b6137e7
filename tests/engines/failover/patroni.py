"""Patroni, etcd and three PostgreSQL: TLS with verification between all of them, synchronous commits."""

import json
import os
import signal
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from governlayer_server.adapters.postgres.address import PostgresAddress, PostgresTls
from governlayer_server.adapters.tls.authority import Authority

from tests.engines.failover.tree import Tree, family, kill_all, wait_for

HOSTS = {f"pg{number}": f"127.0.0.1{number}" for number in (1, 2, 3)}
PASSWORD = "CANARY-password"
# The least that Patroni takes for ttl; loop_wait + 2 * retry_timeout must not be more.
TTL_S, LOOP_S, RETRY_S = 20, 3, 5
_PORT, _API = 5432, 8008


class Member(NamedTuple):
    """What Patroni says of one server."""

    name: str
    role: str
    state: str


class PatroniCluster:
    """
    Three servers, of which Patroni keeps one as the primary.

    Args:
        tree: where the programs are.
        synchronous: whether a commit waits for a standby (``synchronous_mode``).
    """

    def __init__(self, tree: Tree, *, synchronous: bool = True) -> None:
        self.tree = tree
        self._synchronous = synchronous
        self._patroni: dict[str, subprocess.Popen[bytes]] = {}
        authority = Authority.create(tree.place / "tls")
        self.ca = authority.certificate_file
        for name, ip in HOSTS.items():
            home = tree.place / name
            home.mkdir()
            certificate, key = authority.issue_server(name, [name], 10)
            for file, to in ((certificate, "server.crt"), (key, "server.key"), (self.ca, "ca.crt")):
                (home / to).write_bytes(file.read_bytes())
                (home / to).chmod(0o600)
            (home / "patroni.yml").write_text(json.dumps(self._configuration(name, ip)))
            tree.give(home)

    def address(self, user: str, database: str) -> PostgresAddress:
        """Return the address of all three."""
        first, *others = [(name, _PORT) for name in HOSTS]
        return PostgresAddress(
            host=first[0], port=first[1], others=tuple(others), database=database, user=user, password=PASSWORD,
            tls=PostgresTls(ca=self.ca),
        )  # fmt: skip

    def start(self) -> None:
        """Start all; return when there is a primary with two standbys."""
        etcd = self.tree.place / "etcd"
        etcd.mkdir(mode=0o700)
        client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        self.tree.start(
            "etcd", "etcd", "--data-dir", str(self.tree.give(etcd)), "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--log-level", "warn",
        )  # fmt: skip
        self.start_one("pg1")
        wait_for(self.primary, "no primary")
        for name in HOSTS:
            if name not in self._patroni:
                self.start_one(name)
        self.wait_whole()

    def start_one(self, name: str) -> None:
        file = self.tree.inside(self.tree.place / name / "patroni.yml")
        self._patroni[name] = self.tree.start(name, "patroni", str(file))

    def members(self) -> list[Member]:
        """Return what any Patroni that answers says of all."""
        for ip in HOSTS.values():
            with suppress(OSError), urllib.request.urlopen(f"http://{ip}:{_API}/cluster", timeout=2) as answer:
                return [Member(one["name"], one["role"], one["state"]) for one in json.load(answer)["members"]]
        return []

    def primary(self) -> str | None:
        """Return the name of the primary, if there is one that runs."""
        return next((one.name for one in self.members() if one.role == "leader" and one.state == "running"), None)

    def wait_whole(self) -> None:
        """Return when both standbys stream, and one of them is waited for."""
        wait_for(self._is_whole, "the standbys do not stream")

    def _is_whole(self) -> bool:
        roles = sorted(one.role for one in self.members() if one.state in {"running", "streaming"})
        wanted = ["leader", "replica", "sync_standby"] if self._synchronous else ["leader", "replica", "replica"]
        return roles == wanted

    def kill(self, name: str) -> None:
        """kill -9 of Patroni and of the whole tree of PostgreSQL on one host."""
        kill_all(family(self._patroni[name].pid, self._postmaster(name)))
        self._patroni[name].wait(10)

    def hold_back(self) -> None:
        """Let the primary send nothing to its standbys any more."""
        senders = [pid for pid in family(self._postmaster(self.primary() or "")) if b"walsender" in _command(pid)]
        assert len(senders) == len(HOSTS) - 1
        for pid in senders:
            os.kill(pid, signal.SIGSTOP)

    def _postmaster(self, name: str) -> int:
        return int((self.tree.place / name / "data" / "postmaster.pid").read_text().split()[0])

    def _configuration(self, name: str, ip: str) -> dict[str, Any]:
        home = self.tree.inside(self.tree.place / name)
        verified = {"sslmode": "verify-full", "sslrootcert": str(home / "ca.crt"), "password": PASSWORD}
        return {
            "scope": "governlayer",
            "name": name,
            "restapi": {"listen": f"{ip}:{_API}", "connect_address": f"{ip}:{_API}"},
            "etcd3": {"host": "127.0.0.1:2379"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL_S,
                    "loop_wait": LOOP_S,
                    "retry_timeout": RETRY_S,
                    "maximum_lag_on_failover": 1_048_576,
                    "synchronous_mode": self._synchronous,
                    "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": {"wal_log_hints": "on"}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"{ip}:{_PORT}",
                "connect_address": f"{name}:{_PORT}",
                "use_unix_socket": True,
                "use_unix_socket_repl": True,
                "data_dir": str(home / "data"),
                "bin_dir": "/usr/lib/postgresql/17/bin",
                "pgpass": str(home / "pgpass"),
                "pg_hba": [
                    "local all all trust",
                    "hostssl replication replicator 127.0.0.0/8 scram-sha-256",
                    "hostssl all all 127.0.0.0/8 scram-sha-256",
                ],
                "authentication": {
                    role: {"username": user, **verified}
                    for role, user in (("superuser", "postgres"), ("replication", "replicator"), ("rewind", "rewinder"))
                },
                "parameters": {
                    "unix_socket_directories": str(home),
                    "ssl": "on",
                    "ssl_cert_file": str(home / "server.crt"),
                    "ssl_key_file": str(home / "server.key"),
                    "ssl_ca_file": str(home / "ca.crt"),
                    "max_connections": 60,
                    "shared_buffers": "64MB",
                    "wal_keep_size": "256MB",
                },
            },
        }


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
