"""An appliance in memory for each test."""

import pytest

from tests.fakes.appliance import FakeAppliance


@pytest.fixture
def appliance() -> FakeAppliance:
    return FakeAppliance()
