"""Fixtures for every folder. The server's exist only where the server is installed (the session ``alone``)."""

from importlib.util import find_spec

pytest_plugins = ["tests.fakes.servers"] if find_spec("governlayer_server") else []
