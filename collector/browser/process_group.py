"""Letting a driver quit, also when it hangs."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


def quit_driver(driver: Chrome) -> None:
    """Let the driver quit within a few seconds; later its process group is ended."""
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    def ask() -> None:
        with suppress(WebDriverException, HTTPError, OSError):
            driver.quit()

    thread = threading.Thread(target=ask, name="quit", daemon=True)
    thread.start()
    thread.join(10)
