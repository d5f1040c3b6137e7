"""A node for all tests of the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.helm.engines import CHART, NAMESPACE
from tests.engines.cluster.node import Node
from tests.engines.cluster.old_chart import copy_for_120
from tools.engines.images import ARCHIVES, ensure


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    folder = ensure()
    with Node.running([folder / f"{name}.tar" for name in ARCHIVES]) as node:
        node.make_volumes()
        yield node


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, for the Kubernetes of the node."""
    return copy_for_120(CHART, tmp_path_factory.mktemp("chart") / "governlayer")


@pytest.fixture
def namespace(node: Node) -> Iterator[str]:
    """An empty namespace, which the README has the operator make; afterwards it is gone with all that was in it."""
    node.kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    node.kubectl("delete", "namespace", NAMESPACE, "--wait", "--timeout", "300s")
