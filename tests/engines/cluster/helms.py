"""Helm 3 and Helm 4 against the node: both wait until what they did is done, and go back if it was not."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.deploy.helm.engines import NAMESPACE, RELEASE, Helm3, HelmFailed, Values, helm3
from tests.engines.cluster.node import Node

WAIT_S = 240


class WaitingHelm(Protocol):
    """What the session asks of either Helm."""

    def install(self, chart: Path, values: Values) -> None:
        """Install and wait until all pods are ready."""

    def upgrade(self, chart: Path, values: Values, wait_s: int = WAIT_S) -> None:
        """Upgrade and wait; go back to the revision before, and raise ``HelmFailed``, if it takes longer."""

    def test(self) -> None:
        """Run the release's tests."""

    def uninstall(self) -> None:
        """Remove the release."""

    def revisions(self) -> list[str]:
        """Return the state of each revision, the oldest first."""


@dataclass(frozen=True)
class WaitingHelm3:
    """Helm 3, as an operator calls it."""

    helm: Helm3
    release: str = RELEASE

    def install(self, chart: Path, values: Values) -> None:
        """``helm install --wait``."""
        self._run(
            "install", self.release, chart, "--create-namespace", "--wait", "--timeout", f"{WAIT_S}s", values=values
        )

    def upgrade(self, chart: Path, values: Values, wait_s: int = WAIT_S) -> None:
        """``helm upgrade --atomic``."""
        self._run("upgrade", self.release, chart, "--atomic", "--timeout", f"{wait_s}s", values=values)

    def _run(self, command: str, *arguments: str | Path, values: Values) -> None:
        # The old server lacks fields that the client would look for; it drops them itself.
        self.helm.run(command, *arguments, "--disable-openapi-validation", "-f", "-", values=values)

    def test(self) -> None:
        """``helm test``."""
        self.helm.run("test", self.release, "--timeout", f"{WAIT_S}s")

    def uninstall(self) -> None:
        """``helm uninstall``."""
        self.helm.run("uninstall", self.release)

    def revisions(self) -> list[str]:
        """``helm history``."""
        return [revision["status"] for revision in json.loads(self.helm.run("history", self.release, "-o", "json"))]


@dataclass(frozen=True)
class WaitingHelm4:
    """Helm 4, by its library, in the node's network."""

    node: Node
    release: str = RELEASE

    def install(self, chart: Path, values: Values) -> None:
        """Install and wait."""
        self._call("install", str(chart), self.release, values, create_namespace=True, wait="watcher", timeout=WAIT_S)

    def upgrade(self, chart: Path, values: Values, wait_s: int = WAIT_S) -> None:
        """Upgrade, wait, go back on failure."""
        self._call(
            "upgrade", str(chart), self.release, values, wait="watcher", timeout=wait_s, rollback_on_failure=True
        )

    def test(self) -> None:
        """Run the tests."""
        self._call("test", self.release, timeout=WAIT_S)

    def uninstall(self) -> None:
        """Uninstall."""
        self._call("uninstall", self.release, wait="watcher", timeout=WAIT_S)

    def revisions(self) -> list[str]:
        """Return the history."""
        return [revision["status"] for revision in self._call("history", self.release)]

    def _call(self, name: str, *arguments: object, **options: object) -> Any:
        program = Path(__file__).with_name("helm4.py")
        done = subprocess.run(
            [*self.node.network, sys.executable, program, self.node.kubeconfig, NAMESPACE],
            input=json.dumps({"call": name, "arguments": arguments, "options": options}),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise HelmFailed(done.stderr)
        return json.loads(done.stdout)


def both(node: Node, home: Path, release: str = RELEASE) -> dict[str, WaitingHelm]:
    """Return the two by their names, for one release."""
    three = Helm3(helm3(), node.kubeconfig, home, before=node.network)
    return {"helm3": WaitingHelm3(three, release), "helm4": WaitingHelm4(node, release)}
