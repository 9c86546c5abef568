"""Commands to Chromium that WebDriver does not have, through its driver, here or on a Grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver


def devtools(driver: WebDriver, method: str, **parameters: Any) -> Any:
    """Run a DevTools command and return its result."""
    # Selenium's class for remote drivers has neither method in every version that is allowed.
    return driver.execute("executeCdpCommand", {"cmd": method, "params": parameters})["value"]


def performance_log(driver: WebDriver) -> list[dict[str, Any]]:
    """Return the entries of the performance log since the last call."""
    return list(driver.execute("getLog", {"type": "performance"})["value"])
