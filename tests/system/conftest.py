"""Appliances for the system tests: one that many tests share, and fresh ones for those that break things."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.system.appliance import Appliance, Tenant, command_for
from tests.system.client import Client

Start = Callable[..., Appliance]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)


@contextmanager
def appliance_in_new_place(user: str | None = None) -> Iterator[Appliance]:
    """Yield an appliance that has not been started; whatever runs of it ends here."""
    # The servers of root run as another user, who must be able to pass.
    place = Path(tempfile.mkdtemp(prefix="gl-system-"))
    place.chmod(0o755)
    appliance = Appliance(place / "data")
    if user is not None:
        shutil.chown(place, user)
        appliance = Appliance(place / "data", user, command_for(user, place / "venv"))
    try:
        yield appliance
    finally:
        left = appliance.end()
        shutil.rmtree(place)
    assert left == [], "a clean end left processes behind"


@pytest.fixture
def new_appliance() -> Iterator[Start]:
    """Return what makes an appliance that has not been started."""
    with ExitStack() as stack:
        yield lambda user=None: stack.enter_context(appliance_in_new_place(user))


@pytest.fixture(scope="session")
def shared() -> Iterator[Appliance]:
    """Return a running appliance that many tests use; none may stop it or any part of it."""
    with appliance_in_new_place() as appliance:
        yield appliance.start()
        assert appliance.is_running, "a test ended the shared appliance"


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
