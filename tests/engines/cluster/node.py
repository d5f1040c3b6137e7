"""One node of Kubernetes 1.20 in a machine of its own (tools/engines/kubernetes_node.sh), and the ways into it."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from tools.engines.machine import ENGINES, HERE, PATH, Machine, wait_until

_START_S = 240.0
# Claims of the trial's servers bind to these.
_VOLUMES = 12


class Node:
    """A node that runs. Its API server, services and pods are reached only from inside of the machine."""

    def __init__(self, machine: Machine, state: Path) -> None:
        self._machine = machine
        self._state = state

    @classmethod
    @contextmanager
    def running(cls, images: list[Path]) -> Iterator[Self]:
        """Yield a new node with these images (docker archives); afterwards nothing of it is left."""
        state = ENGINES / "run" / f"cluster-{os.getpid()}"
        (state / "data" / "images").mkdir(parents=True)
        for image in images:
            os.link(image, state / "data" / "images" / image.name)
        binds = {ENGINES / "k8sbin": "/opt/kubernetes", HERE / "kubernetes_node.sh": "/opt/node.sh"}
        try:
            with Machine(state, binds) as machine:
                node = machine.start("/opt/node.sh", log=state / "log")
                ready = state / "data" / "ready"
                wait_until(lambda: ready.exists() or node.poll() is not None, f"it does not start: {state}", _START_S)
                assert ready.exists(), (state / "log").read_text()
                yield cls(machine, state)
        finally:
            _remove_groups()
            shutil.rmtree(state)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's configuration, with paths of this host."""
        own = self._state / "admin.conf"
        if not own.exists():
            text = (self._state / "data" / "admin.conf").read_text()
            own.touch(mode=0o600)
            own.write_text(text.replace("/mnt/data", str(self._state / "data")))
        return own

    @property
    def network(self) -> tuple[str, ...]:
        """What goes before a command of this host so that it runs in the node's network, with the cluster's names."""
        resolver = self._state / "resolv.conf"
        resolver.write_text("nameserver 10.99.0.1\nsearch cluster.local\n")
        bind = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
        return tuple(self._machine.beside(["unshare", "--mount", "sh", "-c", bind, "sh"]))

    def run(self, *command: str, given: str = "") -> str:
        """Run a command inside and return what it printed. Else ``AssertionError`` with its words."""
        environment = ("env", f"PATH=/opt/kubernetes:{PATH}", "KUBECONFIG=/mnt/data/admin.conf")
        return self._machine.run(*environment, *command, input=given, timeout=600).stdout

    def kubectl(self, *arguments: str, given: str = "") -> str:
        """Run kubectl as administrator."""
        return self.run("kubectl", *arguments, given=given)

    def get(self, namespace: str, kind: str, name: str = "", selector: str = "") -> Any:
        """Return an object, or the items of a list of them."""
        chosen = [name] if name else ["-l", selector]
        found = yaml.safe_load(self.kubectl("get", "-n", namespace, kind, *chosen, "-o", "yaml"))
        return found if name else found["items"]

    def make_volumes(self) -> None:
        """Make volumes on the node's disk that claims without a class bind to."""
        for number in range(_VOLUMES):
            (self._state / "data" / "volumes" / str(number)).mkdir()
            # kubelet gives the groups of a pod no right on such a volume, as it does on those of real storage.
            (self._state / "data" / "volumes" / str(number)).chmod(0o777)
        volumes = [_volume(number) for number in range(_VOLUMES)]
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(volumes))


def _volume(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"disk-{number}"},
        "spec": {
            "capacity": {"storage": "20Gi"},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": f"/mnt/data/volumes/{number}"},
        },
    }


def _remove_groups() -> None:
    """Remove the control groups that kubelet made; they are empty as soon as the last process has gone."""
    deadline = time.monotonic() + 20
    while groups := [path for top in Path("/sys/fs/cgroup").glob("*/kubepods") for path in _deepest_first(top)]:
        assert time.monotonic() < deadline, groups
        for group in groups:
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.1)


def _deepest_first(top: Path) -> list[Path]:
    return [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
