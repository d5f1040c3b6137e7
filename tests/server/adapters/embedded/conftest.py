"""Places for data directories, and the certainty that no test leaves a process behind."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from governlayer_server.adapters.embedded.directory import DataDirectory
from governlayer_server.adapters.embedded.postgres import EmbeddedPostgres

from tests.server.adapters.embedded.watching import processes_of


@pytest.fixture(scope="session")
def places() -> Iterator[Path]:
    """The parent of all places. It is removed at the end: ext4 makes files slowly just after it removed many."""
    path = Path(tempfile.mkdtemp(prefix="gl-embedded-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def _place(parent: Path, mode: int) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=parent))
    path.chmod(mode)
    yield path
    left = processes_of(path)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == [], "a test left processes behind"


@pytest.fixture
def place(places: Path) -> Iterator[Path]:
    """A directory that other users can pass: as root, the servers run as an unprivileged user."""
    yield from _place(places, 0o755)


@pytest.fixture(params=[0o755, 0o700], ids=["open", "closed"])
def any_place(request: pytest.FixtureRequest, places: Path) -> Iterator[Path]:
    """Such a directory, and one that only its owner can pass: as root, this needs the user namespace."""
    yield from _place(places, request.param)


@pytest.fixture
def directory(place: Path) -> DataDirectory:
    """A fresh data directory."""
    return DataDirectory.open(place / "data")


async def _first_start(path: Path) -> None:
    postgres = EmbeddedPostgres(DataDirectory.open(path))
    await postgres.start()
    await postgres.stop()


@pytest.fixture(scope="session")
def template(places: Path) -> Path:
    """A data directory after its first start, to be copied: initdb takes most of the time of a first start."""
    asyncio.run(_first_start(places / "template"))
    return places / "template"


@pytest.fixture
def used(template: Path, place: Path) -> DataDirectory:
    """A data directory that PostgreSQL ran on before, and stopped."""
    subprocess.run(["cp", "-a", template, place / "data"], check=True)
    return DataDirectory.open(place / "data")
