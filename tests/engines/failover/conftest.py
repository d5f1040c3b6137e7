"""A place that the engines' users can enter, and the tree in it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engines.failover.tree import Tree


@pytest.fixture
def tree() -> Iterator[Callable[[Mapping[str, str]], Tree]]:
    """Return what opens the tree for hosts of these names and addresses; all that runs in it ends with the test."""
    with ExitStack() as stack:

        def opened(hosts: Mapping[str, str]) -> Tree:
            place = Path(tempfile.mkdtemp(prefix="gl-failover-"))
            place.chmod(0o755)
            tree = Tree(place, hosts)
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            stack.callback(tree.end)
            return tree

        yield opened
