"""An appliance in memory for each test."""

import pytest
from governlayer_server.domain.organization import Organization

from tests.fakes.appliance import FakeAppliance


@pytest.fixture
def appliance() -> FakeAppliance:
    return FakeAppliance()


@pytest.fixture
async def acme(appliance: FakeAppliance) -> Organization:
    return await appliance.start()
