"""A headless Chromium, for tests that look at pages as a browser shows them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Browser:
    """A page in headless Chromium, with what it logged and asked for.

    Args:
        driver: The driver of the browser.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, page: Path, width: int = 1400, height: int = 1000, dark: bool = False) -> None:
        """Opens a file in a window of a size, for a user who prefers light or dark pages."""
        emulate = self.driver.execute_cdp_cmd
        emulate("Emulation.setDeviceMetricsOverride",
                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        emulate("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(page.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Runs a script on the page, and returns what it returns."""
        return self.driver.execute_script(script, *arguments)

    def move_to(self, x: float, y: float) -> None:
        """Moves the mouse to a place of the window."""
        self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})
        time.sleep(0.1)

    def messages(self) -> list[str]:
        """What the console of the browser has said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        events = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: Path) -> None:
        """Writes a picture of the whole page."""
        import base64

        done = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(done["data"]))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser; tests that ask for it are skipped where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver_path = shutil.which("chromedriver")
    if binary is None or driver_path is None:
        pytest.skip("Chromium and its driver are not installed.")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    flags = ("headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking", "disable-sync")
    for flag in (*flags, f"user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    try:
        driver.get("about:blank")  # The browser's own first page asks for its own files.
        time.sleep(0.5)
        yield Browser(driver)
    finally:
        driver.quit()


@pytest.fixture
def open_page(browser: Browser) -> Callable[..., Browser]:
    """Opens a page in a browser whose logs are empty."""

    def opened(page: Path, **options: Any) -> Browser:
        browser.messages()
        browser.requests()
        browser.open(page, **options)
        return browser

    return opened
