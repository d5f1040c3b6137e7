"""Fixtures for every folder. The server's exist only where the server is installed (the session ``alone``)."""

from importlib.util import find_spec

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "pytester",
    *(["tests.fakes.servers", "tests.fakes.debian"] if find_spec("governlayer_server") else []),
]

# A cold or loaded machine is slow; that says nothing about what is tested.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
