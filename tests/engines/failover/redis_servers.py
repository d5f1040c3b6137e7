"""Redis with Sentinels, and as a cluster: TLS with verified names on every connection, and a password."""

import subprocess
from collections.abc import Sequence

from governlayer_server.adapters.tls.authority import Authority

from tests.engines.failover.tree import Tree, kill_all, wait_for

NAMES = [f"redis{number}" for number in range(1, 7)]
HOSTS = {name: f"127.0.0.2{number}" for number, name in enumerate(NAMES, 1)}
PASSWORD = "CANARY-redis-password"
MASTER = "governlayer"
_PORT, _SENTINEL = 6379, 26379


class RedisServers:
    """
    Servers of these *names*, each on an address of its own with a certificate for its name.

    Nothing is kept on disks, as the appliance wants it.
    """

    def __init__(self, tree: Tree, names: Sequence[str]) -> None:
        self.tree = tree
        self.names = names
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        authority = Authority.create(tree.place / "redis-tls")
        self.ca = authority.certificate_file
        for name in names:
            home = tree.place / name
            home.mkdir()
            # The bus of a cluster demands a client's certificate, whatever `tls-auth-clients` says.
            pairs = {
                "server": authority.issue_server(name, [name], 10),
                "client": authority.issue_client(f"{name}-bus", 10),
            }
            for kind, (certificate, key) in pairs.items():
                (home / f"{kind}.crt").write_bytes(certificate.read_bytes())
                (home / f"{kind}.key").write_bytes(key.read_bytes())
            (home / "ca.crt").write_bytes(self.ca.read_bytes())
            tree.give(home, "redis")

    def start_one(self, name: str, program: str, *options: str, port: int = _PORT) -> None:
        """Start a server or a Sentinel with *options*, lines of its configuration file."""
        home = self.tree.place / name
        inside = self.tree.inside(home)
        lines = [
            f"bind {HOSTS[name]}", f"bind-source-addr {HOSTS[name]}", "port 0", f"tls-port {port}", f"dir {inside}", "tls-auth-clients no",
            f"tls-cert-file {inside}/server.crt", f"tls-key-file {inside}/server.key", f"tls-ca-cert-file {inside}/ca.crt",
            f"tls-client-cert-file {inside}/client.crt", f"tls-client-key-file {inside}/client.key",
            "tls-replication yes", f"requirepass {PASSWORD}", *options,
        ]  # fmt: skip
        file = home / f"{program}.conf"
        file.write_text("\n".join(lines) + "\n")
        self._running[f"{name} {program}"] = self.tree.start(
            f"{name}-{program}", program, str(self.tree.give(file, "redis")), user="redis"
        )

    def serve(self, name: str, *options: str) -> None:
        self.start_one(
            name, "redis-server", "save ''", "appendonly no", "repl-diskless-sync-delay 0", f"masterauth {PASSWORD}",
            "maxmemory-policy noeviction", *options,
        )  # fmt: skip

    def ask(self, name: str, *command: str, port: int = _PORT) -> str:
        """Return what `redis-cli` prints."""
        ca = str(self.tree.inside(self.ca))
        return self.tree.run(
            "redis-cli", "--tls", "--cacert", ca, "--no-auth-warning", "-a", PASSWORD, "-h", name, "-p", str(port), *command,
            user="redis",
        )  # fmt: skip

    def kill(self, name: str) -> None:
        """kill -9 of the server called *name*."""
        process = self._running[f"{name} redis-server"]
        kill_all([process.pid])
        process.wait(10)


class Watched(RedisServers):
    """A master, two replicas and three Sentinels, which promote a replica two seconds after the master's last sign."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree, NAMES[:3])
        self._sentinels = self.names

    def start(self) -> None:
        for name in self.names:
            self.serve_following(name, self.names[0])
        wait_for(lambda: self._replicas() == 2, "the replicas do not follow")
        for name in self._sentinels:
            self.start_one(
                name, "redis-sentinel", "sentinel resolve-hostnames yes", "sentinel announce-hostnames yes",
                f"sentinel announce-ip {name}", f"sentinel monitor {MASTER} {self.names[0]} {_PORT} 2",
                f"sentinel auth-pass {MASTER} {PASSWORD}", f"sentinel sentinel-pass {PASSWORD}",
                f"sentinel down-after-milliseconds {MASTER} 2000", f"sentinel failover-timeout {MASTER} 10000",
                port=_SENTINEL,
            )  # fmt: skip
        wait_for(self.is_whole, "the Sentinels do not see all")

    def serve_following(self, name: str, master: str) -> None:
        follows = () if name == master else (f"replicaof {master} {_PORT}",)
        self.serve(name, f"replica-announce-ip {name}", *follows)

    def master(self) -> str:
        """Return whom most Sentinels name."""
        named = [self._of(one)["ip"] for one in self._sentinels]
        return max(named, key=named.count)

    def is_whole(self) -> bool:
        """Whether all agree on a master with two replicas that follow it."""
        seen = [self._of(one) for one in self._sentinels]
        agreed = len({one["ip"] for one in seen}) == 1 and all(one["flags"] == "master" for one in seen)
        known = all((one["num-slaves"], one["num-other-sentinels"]) == ("2", "2") for one in seen)
        return agreed and known and self._replicas(seen[0]["ip"]) == 2

    def _of(self, sentinel: str) -> dict[str, str]:
        words = self.ask(sentinel, "SENTINEL", "MASTER", MASTER, port=_SENTINEL).splitlines()
        return dict(zip(words[::2], words[1::2], strict=False))

    def _replicas(self, master: str | None = None) -> int:
        return self.ask(master or self.names[0], "INFO", "replication").count("state=online")

    @property
    def settings(self) -> dict[str, str]:
        return {
            "REDIS_SENTINELS": ",".join(f"{name}:{_SENTINEL}" for name in self._sentinels),
            "REDIS_MASTER": MASTER,
            "REDIS_PASSWORD": PASSWORD,
            "REDIS_SENTINEL_PASSWORD": PASSWORD,
            "REDIS_CA": str(self.ca),
        }


class Clustered(RedisServers):
    """Three masters and three replicas, told apart by host names."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree, NAMES)

    def start(self) -> None:
        for name in self.names:
            self.serve_one(name)
        wait_for(lambda: all(self.ask(name, "PING").strip() == "PONG" for name in self.names), "they do not answer")
        nodes = [f"{HOSTS[name]}:{_PORT}" for name in self.names]
        self._create(nodes)
        wait_for(self.is_whole, "the cluster is not whole")

    def serve_one(self, name: str) -> None:
        self.serve(
            name, "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 3000", "tls-cluster yes",
            f"cluster-announce-hostname {name}", "cluster-preferred-endpoint-type hostname",
        )  # fmt: skip

    def _create(self, nodes: Sequence[str]) -> None:
        ca = str(self.tree.inside(self.ca))
        self.tree.run(
            "redis-cli", "--tls", "--cacert", ca, "--sni", self.names[0], "--insecure", "--no-auth-warning", "-a", PASSWORD,
            "--cluster", "create", *nodes, "--cluster-replicas", "1", "--cluster-yes", user="redis",
        )  # fmt: skip

    def masters(self) -> list[str]:
        """Return the masters that a majority holds for alive, by name."""
        lines = [line.split() for line in self._nodes().splitlines()]
        return [line[1].rpartition(",")[2] for line in lines if "master" in line[2] and "fail" not in line[2]]

    def is_whole(self) -> bool:
        """Whether all six are there, three as masters with a replica that follows each."""
        ok = all("cluster_state:ok" in self.ask(name, "CLUSTER", "INFO") for name in self.names)
        masters = self.masters()
        return (
            ok and len(masters) == 3 and all("state=online" in self.ask(one, "INFO", "replication") for one in masters)
        )

    def _nodes(self) -> str:
        for name in self.names:
            try:
                return self.ask(name, "CLUSTER", "NODES")
            except subprocess.CalledProcessError:
                continue
        return ""

    @property
    def settings(self) -> dict[str, str]:
        nodes = ",".join(f"{name}:{_PORT}" for name in self.names)
        return {"REDIS_CLUSTER": nodes, "REDIS_PASSWORD": PASSWORD, "REDIS_CA": str(self.ca)}
