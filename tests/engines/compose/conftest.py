"""One site for all tests of this session, which are run in the order in which they stand."""

from collections.abc import Callable, Iterator

import pytest

from tests.engines.compose.site import INSIDE, Site, images
from tools.engines.machine import Machine

Say = Callable[[str], None]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    state, place = tmp_path_factory.mktemp("machine"), tmp_path_factory.mktemp("site")
    place.chmod(0o755)
    with Machine(state, {images(): "/images", place: INSIDE}) as machine:
        machine.start_docker(state / "dockerd.log")
        yield Site(machine, place, state)


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Say:
    """Print figures although pytest keeps what tests print."""

    def print_line(text: str) -> None:
        with capfd.disabled():
            print(f"\ncompose: {text}", end="", flush=True)

    return print_line
