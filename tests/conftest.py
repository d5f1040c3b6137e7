"""Fixtures for every folder. The server's exist only where the server is installed (the session ``alone``)."""

from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "pytester",
    *(["tests.fakes.servers", "tests.fakes.debian"] if find_spec("governlayer_server") else []),
]

# A cold or loaded machine is slow; that says nothing about what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# By far the longest files, the longest first: begun first, so that nobody waits for one of them at the end.
_LONGEST = ("test_system_schemathesis", "test_system_limits", "test_system_keys", "test_system_kill_cycles")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
