"""Fixtures of the tests of the Compose bundle."""

import shutil
from pathlib import Path

import pytest

from tests.deploy.compose.bundle import BUNDLE
from tests.deploy.compose.scripts import NEEDED


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A copy of the bundle, where no Docker is on the path, and nobody really sleeps."""
    copy = tmp_path / "bundle"
    shutil.copytree(BUNDLE, copy)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in NEEDED:
        (commands / name).symlink_to(str(shutil.which(name)))
    (commands / "sleep").symlink_to("/bin/true")
    return copy
