"""What a person does with a page, and sees of it."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

WAIT_S = 10.0
TOKEN = "glt_CANARY0123456789abcdefghijklmnopqrstuvwxyz"
GOOD_PASSWORD = "eleven ducks & a räksmörgås"
WIDE = (1280, 900)
NARROW = (360, 740)
# Contrast of all visible text with what is behind it (WCAG 2.2 §1.4.3), lowest first.
_CONTRASTS = """
const light = (c) => { const v = c.map((x) => x / 255).map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
                       return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const behind = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
                        if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
return [...document.querySelectorAll("body *")]
  .filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => { const a = light(parse(getComputedStyle(e).color).slice(0, 3)), b = light(behind(e));
                return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.tagName, e.textContent.slice(0, 40)]; })
  .sort((a, b) => a[0] - b[0]);
"""


class Visitor:
    """Somebody in front of *driver*, at the site *url*."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url
        self.look(WIDE)

    def open(self, path: str, token: str | None = TOKEN) -> None:
        """Follow a link to *path*, as in a new tab."""
        self.driver.get("about:blank")
        name = "token" if path == "/reset" else "invite"
        self.driver.get(f"{self.url}{path}" + (f"#{name}={token}" if token else ""))
        self.wait(lambda: any(self.sees(one) for one in ("form", "#no-link")))

    def look(self, size: tuple[int, int], scheme: str = "light") -> None:
        """Use a screen of *size* pixels, light or dark."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == NARROW}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def offline(self, *, away: bool) -> None:
        """Cut the network, or mend it."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        conditions = {"offline": away, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def sees(self, selector: str) -> bool:
        return self.find(selector).is_displayed()

    def text(self, selector: str) -> str:
        return str(self.find(selector).text)

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            field = self.find(f"[name={name}]")
            field.clear()
            field.send_keys(value)

    def value(self, name: str) -> str | None:
        return self.find(f"[name={name}]").get_property("value")  # type: ignore[return-value]

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def submit(self) -> None:
        self.find("#send").click()

    def focused(self) -> str | None:
        """Return the id, else the text, of what has the focus."""
        active = self.driver.switch_to.active_element
        return active.get_attribute("id") or active.text

    def walk(self, steps: int) -> list[str | None]:
        """Return what *steps* presses of the tabulator lead to."""
        found = []
        for _ in range(steps):
            self.press(Keys.TAB)
            found.append(self.focused())
        return found

    def error(self, name: str) -> str:
        """Return what is said about the field *name*: what a screen reader reads with it, if it is marked as wrong."""
        field = self.find(f"[name={name}]")
        if field.get_attribute("aria-invalid") != "true":
            return ""
        assert f"{name}-error" in str(field.get_attribute("aria-describedby")).split()
        return self.text(f"#{name}-error")

    def problem(self) -> str:
        """Return the problem that is shown, once one is."""
        self.wait(lambda: self.sees("#problem"))
        return self.text("#problem")

    def done(self) -> str:
        """Return what is shown in the end, once it is."""
        self.wait(lambda: self.sees("#done"))
        return self.text("#done")

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the screen."""
        return int(
            self.driver.execute_script("const e = document.documentElement; return e.scrollWidth - e.clientWidth")
        )

    def worst_contrast(self) -> list[Any]:
        return list(self.driver.execute_script(_CONTRASTS)[0])

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))

    def leave(self) -> None:
        self.offline(away=False)
        self.driver.get("about:blank")

    def complaints(self) -> list[str]:
        """Return what the browser has logged since the last time, but hints, and answers that refuse or never came."""
        logged = [entry for entry in self.driver.get_log("browser") if entry["level"] != "DEBUG"]
        return [entry["message"] for entry in logged if "Failed to load resource" not in entry["message"]]
