"""Fixtures of the sessions that need real engines; a full run leaves this folder out (noxfile.py)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.stack import Stack
from tools.engines.images import ensure
from tools.engines.machine import Machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a Docker engine, the images, and no network but its own."""
    state = tmp_path_factory.mktemp("machine")
    with Machine(state, {ensure(): "/images"}) as machine:
        machine.start_docker(state / "dockerd.log")
        yield machine


@pytest.fixture(scope="module")
def stack(machine: Machine) -> Stack:
    return Stack(machine)


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> object:
    """Print figures although pytest keeps what tests print."""

    def print_line(text: str) -> None:
        with capfd.disabled():
            print(f"\n{Path(request.node.fspath).parent.name}: {text}", end="", flush=True)

    return print_line
