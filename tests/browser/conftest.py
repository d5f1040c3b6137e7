"""A real Chromium, without a window, and what it must never complain about."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from governlayer_server.web.edge import Csp
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.browser.stand_in import StandIn
from tests.browser.visitor import Visitor

_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program(*names: str) -> str:
    """Return the path of the first of *names* that is installed; the test is skipped where none is."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        # Skipped with CI=true too: CI installs no browser. `./run browser` is for machines that have one.
        pytest.skip(
            f"NOT TESTED: the pages in a browser; there is no {names[0]}: apt-get install chromium chromium-driver"
        )
    return found


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    service = Service(program("chromedriver"))
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium has none for root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = Chrome(options, service)
    yield chrome
    chrome.quit()


@pytest.fixture(scope="session", params=Csp, ids=lambda csp: f"csp-{csp}")
def stand_in(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with StandIn(request.param).serving() as served:
        yield served


@pytest.fixture
def visitor(driver: Chrome, stand_in: StandIn) -> Iterator[Visitor]:
    """Return somebody in front of the browser, who in the end finds nothing in its log but answers that refuse."""
    stand_in.reset()
    one = Visitor(driver, stand_in.url)
    yield one
    one.leave()
    assert one.complaints() == []


@pytest.fixture
def screenshots() -> Path | None:
    """Return where to put pictures, if the environment names a folder."""
    named = os.environ.get("SCREENSHOTS")
    return Path(named) if named else None
