"""A node for all tests of the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.helm.engines import CHART
from tests.engines.cluster.node import Node
from tests.engines.cluster.old_chart import copy_for_120
from tools.engines.machine import ENGINES


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    images = [ENGINES / "images" / f"{name}.tar" for name in ("governlayer", "postgres", "valkey")]
    with Node.running(images) as node:
        node.make_volumes()
        yield node


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart, for the Kubernetes of the node."""
    return copy_for_120(CHART, tmp_path_factory.mktemp("chart") / "governlayer")
