"""Letting a driver quit, also when it hangs."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver


def quit_driver(driver: WebDriver) -> bool:
    """Let the driver quit within a few seconds; return whether it did."""
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    def ask() -> None:
        with suppress(WebDriverException, HTTPError, OSError):
            driver.quit()

    thread = threading.Thread(target=ask, name="quit", daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()
