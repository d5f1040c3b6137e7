"""Appliances for the system tests: one that many tests share, and fresh ones for those that break things."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.appliance import Appliance, Tenant
from tests.system.client import Client

Start = Callable[..., Appliance]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)


def _place() -> Path:
    # The servers of root run as another user, who must be able to pass.
    path = Path(tempfile.mkdtemp(prefix="gl-system-"))
    path.chmod(0o755)
    return path


@pytest.fixture
def new_appliance() -> Iterator[Start]:
    """Return what makes an appliance that has not been started; whatever runs of it ends with the test."""
    made: list[Appliance] = []
    places: list[Path] = []

    def make(user: str | None = None) -> Appliance:
        place = _place()
        places.append(place)
        if user is not None:
            shutil.chown(place, user)
        made.append(Appliance(place / "data", user))
        return made[-1]

    yield make
    left = [line for appliance in made for line in appliance.end()]
    for place in places:
        shutil.rmtree(place)
    assert left == [], "a clean end left processes behind"


@pytest.fixture(scope="session")
def shared() -> Iterator[Appliance]:
    """Return a running appliance that many tests use; none may stop it or any part of it."""
    place = _place()
    appliance = Appliance(place / "data")
    try:
        yield appliance.start()
        assert appliance.is_running, "a test ended the shared appliance"
    finally:
        left = appliance.end()
        shutil.rmtree(place)
    assert left == [], "a clean end left processes behind"


@pytest.fixture(scope="session")
def acme(shared: Appliance) -> Tenant:
    return shared.tenant("Acme", "govern", "audit", "scan", "risk")


@pytest.fixture(scope="session")
def umbrella(shared: Appliance) -> Tenant:
    return shared.tenant("Umbrella")


@pytest.fixture
def client(shared: Appliance, acme: Tenant) -> Iterator[Client]:
    """Return a client of Acme's that may govern and audit."""
    one = Client(shared.port, acme.key)
    yield one
    one.close()
