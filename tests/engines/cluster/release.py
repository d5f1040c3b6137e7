"""What an operator and a customer do with an installed release."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.helm.engines import NAMESPACE, RELEASE, Values
from tests.engines.cluster.node import Node

# The image that is in the node, where nothing can be fetched, and more questions than a plan admits.
VALUES: Values = {
    "image": {"registry": "localhost", "tag": "0.1.0", "pullPolicy": "Never"},
    "replicas": 2,
    "settings": {"GOVERNLAYER_ENTERPRISE_LIMIT": 60000, "GOVERNLAYER_ADDRESS_LIMIT": 60000},
}
LIMIT_S = 2400
_WAIT_S = 180.0


@dataclass
class Release:
    """The release in the node. ``acknowledged`` has every decision that was answered, by its place on the ledger."""

    node: Node
    home: Path
    release: str = RELEASE
    acknowledged: dict[int, str] = field(default_factory=dict)
    organization: str = ""
    key: str = ""

    @property
    def name(self) -> str:
        """How the chart calls the release's objects."""
        return f"{self.release}-governlayer"

    def admin(self, *arguments: str) -> str:
        """Run ``governlayer …`` in a server that is ready, not in one that is about to go, and return what it printed."""
        pod = next(pod for pod in self.pods() if _is_ready(pod))["metadata"]["name"]
        return self.node.kubectl("exec", "-n", NAMESPACE, pod, "-c", "server", "--", "governlayer", *arguments)

    def begin(self) -> None:
        """Make an organization and a key."""
        made = json.loads(
            self.admin(
                "orgs", "create", "--name", "Acme", "--plan", "enterprise", "--owner-email", "o@acme.example", "--json"
            )
        )
        self.organization = made["id"]
        key = self.admin(
            "keys", "create", "--org", made["id"], "--name", "writer", "--scopes", "govern,audit", "--json"
        )
        self.key = json.loads(key)["key"]

    def authority(self) -> Path:
        """Write the certificate by which clients know the server, as the chart hands it out, and return its path."""
        path = self.home / "ca.crt"
        path.write_text(self.node.get(NAMESPACE, "configmap", f"{self.name}-ca")["data"]["ca.crt"])
        return path

    @contextmanager
    def writer(self) -> Iterator[dict[str, Any]]:
        """
        Have decisions asked for without pause, through the Service, from the first answer on.

        Afterwards the mapping tells what came of it.
        """
        program = Path(__file__).with_name("writer.py")
        url = f"https://{self.name}.{NAMESPACE}.svc.cluster.local:8600"
        process = subprocess.Popen(
            [*self.node.network, sys.executable, program, url, self.authority(), self.home / "witness"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self.key + "\n")
        process.stdin.flush()
        result: dict[str, Any] = {}
        process.stdout.readline()
        try:
            yield result
            time.sleep(1)  # some decisions after the last change
        finally:
            out, err = process.communicate(timeout=60)
            assert out, err
            result |= json.loads(out)
            self.acknowledged |= {int(place): decision for place, decision in result.pop("decisions").items()}

    def run_job(self, schedule: str) -> str:
        """Run the job of a schedule now, wait until it is complete, and return what it wrote."""
        job = f"{schedule}-now"
        self.node.kubectl("create", "job", "-n", NAMESPACE, job, f"--from=cronjob/{self.name}-{schedule}")
        self.wait_for_job(f"job/{job}")
        return self.node.kubectl("logs", "-n", NAMESPACE, f"job/{job}", "--all-containers")

    def wait_for_job(self, *which: str) -> None:
        """Return when the job is complete."""
        self.node.kubectl("wait", "-n", NAMESPACE, "--for=condition=complete", "--timeout", "300s", *which)

    def pods(self) -> list[dict[str, Any]]:
        """Return the server's pods that are not going."""
        server = f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component=server"
        found = self.node.get(NAMESPACE, "pods", selector=server)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def health(self) -> str:
        """Return what a server says of itself, well or not."""
        try:
            return self.admin("healthcheck")
        except AssertionError as failed:
            return str(failed)

    def scale_redis(self, replicas: int) -> None:
        """Return when the trial's Redis has so many pods, none that is going."""
        redis = f"{self.name}-redis"
        self.node.kubectl("scale", "-n", NAMESPACE, f"deployment/{redis}", f"--replicas={replicas}")
        self.node.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{redis}", "--timeout", "120s")
        if not replicas:
            selector = f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component=redis"
            wait_until(lambda: not self.node.get(NAMESPACE, "pods", selector=selector), "Redis is gone")

    def restarts(self) -> int:
        """Return how often containers of the server's pods were started again."""
        return sum(state["restartCount"] for pod in self.pods() for state in pod["status"].get("containerStatuses", []))

    def ready(self) -> int:
        """Return how many of the server's pods are ready."""
        return sum(_is_ready(pod) for pod in self.pods())

    def verify(self) -> str:
        """
        Return the verdict of gl-verify on a dump of the ledger, with the deployment's key.

        Every acknowledged decision stands where its answer said: else ``AssertionError``.
        """
        dump = self.home / "acme.gldump"
        dump.write_text(self.admin("ledger", "dump", "--org", self.organization))
        records = [json.loads(line) for line in dump.read_text().splitlines() if line.startswith('{"actor":')]
        lost = {
            place: decision
            for place, decision in self.acknowledged.items()
            if records[place]["body"].get("decision_id") != decision
        }
        assert not lost
        verifier = Path(sys.executable).with_name("gl-verify")
        done = subprocess.run(
            [verifier, dump, "--key", self.admin("ledger", "key").strip()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith("VALID"))


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return when *condition* holds."""
    deadline = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.5)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the steps inside took."""
    start_s = time.monotonic()
    yield
    print(f"  {what}: {time.monotonic() - start_s:.1f} s", flush=True)


def tell(during: dict[str, Any]) -> None:
    """Print what came of a writer."""
    print(f"  writer: {during}", flush=True)
