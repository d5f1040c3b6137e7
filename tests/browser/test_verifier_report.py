"""The HTML report of gl-verify in a real browser: nothing of it runs, nothing is loaded, nothing runs over its edge."""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from governlayer_verifier.page import page
from selenium.webdriver import Chrome

from tests.verifier.test_verifier_page import DUMP, HOSTILE, MADE, NOTE, TRUST, with_text
from tests.verifier.test_verifier_timestamps import CA, STAMP_13
from tests.verifier.verdicts import check


@pytest.fixture
def browser(driver: Chrome) -> Iterator[Chrome]:
    driver.get_log("browser")
    yield driver
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def opened(browser: Chrome, content: bytes, folder: Path, width: int = 1000, scheme: str = "light") -> None:
    path = folder / "report.html"
    path.write_bytes(content)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(path.as_uri())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_runs_nothing_and_loads_nothing(text: str, browser: Chrome, tmp_path: Path) -> None:
    # An alert would make every call below fail.
    opened(browser, page(*with_text(text)), tmp_path)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.execute_script("return document.scripts.length + document.images.length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
def test_the_page_is_styled_and_fits(width: int, scheme: str, browser: Chrome, tmp_path: Path) -> None:
    brought = {"checkpoints": [NOTE], "timestamps": [STAMP_13], "authorities": [CA]}
    content = page(check(DUMP, (), trust=TRUST, **brought), replace(MADE, dump="d" * 500))
    opened(browser, content, tmp_path, width, scheme)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 29)"}[scheme]


def test_the_page_prints_on_a4(browser: Chrome, tmp_path: Path) -> None:
    opened(browser, page(check(DUMP, (), trust=TRUST), MADE), tmp_path, scheme="dark")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    sizes = {tuple(map(float, each.split())) for each in re.findall(rb"/MediaBox \[0 0 ([0-9. ]+)\]", pdf)}
    assert len(sizes) == 1
    assert sizes.pop() == pytest.approx((595, 842), abs=1.5)
