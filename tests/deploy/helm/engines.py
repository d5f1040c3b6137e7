"""The two Helms that the chart is held against: 3 as a program, 4 as a library. Both must render the same."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import helm_python
import pytest
import yaml

from tests.deploy.helm.manifests import Manifest

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "governlayer"
HELM3 = ROOT / ".tools" / "helm" / "helm"
RELEASE, NAMESPACE = "gl", "governlayer"
# How the chart calls the objects of that release.
NAME = f"{RELEASE}-governlayer"
Values = dict[str, Any]


class HelmFailed(Exception):
    """Helm refused, with its own words."""


class Helm(Protocol):
    """What is asked of either of the two about one release (``RELEASE`` in ``NAMESPACE``)."""

    def install(self, chart: Path, values: Values) -> None:
        """Install the release. Else ``HelmFailed``."""

    def upgrade(self, chart: Path, values: Values) -> None:
        """Upgrade it to other values. Else ``HelmFailed``."""

    def rollback(self, revision: int) -> None:
        """Bring an older revision back. Else ``HelmFailed``."""

    def uninstall(self) -> None:
        """Remove it. Else ``HelmFailed``."""


def helm3() -> Path:
    """Return Helm 3's program. Where it is missing the test is skipped, with the way out; with CI=true it fails."""
    if HELM3.exists():
        return HELM3
    message = "NOT TESTED: the chart with Helm 3: run tools/helm.sh"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def template3(chart: Path, values: Values) -> list[Manifest]:
    """Return what Helm 3 renders. Else ``HelmFailed``."""
    done = subprocess.run(
        [helm3(), "template", RELEASE, chart, "-n", NAMESPACE, "-f", "-", "--kube-version", "v1.33.0"],
        input=json.dumps(values), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise HelmFailed(done.stderr)
    return [manifest for manifest in yaml.load_all(done.stdout, yaml.CSafeLoader) if manifest]


def render4(chart: Path, values: Values) -> dict[str, str]:
    """Return the text of each rendered template by Helm 4, NOTES.txt among them. Else ``HelmFailed``."""
    try:
        with helm_python.Chart.load(chart) as loaded:
            loaded.validate_schema(values)
            return loaded.render(values, name=RELEASE, namespace=NAMESPACE)
    except helm_python.HelmError as error:
        raise HelmFailed(str(error)) from error


def template4(chart: Path, values: Values) -> list[Manifest]:
    """Return what Helm 4 renders. Else ``HelmFailed``."""
    texts = [text for name, text in render4(chart, values).items() if name.endswith(".yaml")]
    return [manifest for text in texts for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest]


@dataclass(frozen=True)
class Helm3:
    """Helm 3 against a cluster. ``before`` goes before its program: the way into another network."""

    program: Path
    kubeconfig: Path
    home: Path
    before: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def install(self, chart: Path, values: Values) -> None:
        """Install the release, without validation against OpenAPI: the API server validates."""
        self.run("install", RELEASE, chart, "--disable-openapi-validation", *self.options, "-f", "-", values=values)

    def upgrade(self, chart: Path, values: Values) -> None:
        """Upgrade it to other values."""
        self.run("upgrade", RELEASE, chart, "--disable-openapi-validation", *self.options, "-f", "-", values=values)

    def rollback(self, revision: int) -> None:
        """Bring an older revision back."""
        self.run("rollback", RELEASE, str(revision), *self.options)

    def uninstall(self) -> None:
        """Remove the release."""
        self.run("uninstall", RELEASE)

    def run(self, command: str, *arguments: str | Path, values: Values | None = None) -> str:
        """Run a command of Helm and return what it printed. Else ``HelmFailed``."""
        done = subprocess.run(
            [*self.before, self.program, command, "--namespace", NAMESPACE, *arguments],
            input=json.dumps(values or {}), capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)},
        )  # fmt: skip
        if done.returncode:
            raise HelmFailed(done.stderr)
        return done.stdout


@dataclass(frozen=True)
class Helm4:
    """Helm 4 against a cluster, in this process."""

    config: helm_python.Config

    def install(self, chart: Path, values: Values) -> None:
        """Install the release."""
        self._call("install", chart, RELEASE, values)

    def upgrade(self, chart: Path, values: Values) -> None:
        """Upgrade it to other values."""
        self._call("upgrade", chart, RELEASE, values)

    def rollback(self, revision: int) -> None:
        """Bring an older revision back."""
        self._call("rollback", RELEASE, version=revision)

    def uninstall(self) -> None:
        """Remove the release."""
        self._call("uninstall", RELEASE)

    def _call(self, name: str, *arguments: object, **options: object) -> None:
        try:
            getattr(self.config, name)(*arguments, **options)
        except helm_python.HelmError as error:
            raise HelmFailed(str(error)) from error
