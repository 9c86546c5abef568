"""Letting a driver quit, also when it hangs."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver


def quit_driver(driver: WebDriver) -> bool:
    """Let the driver quit within a few seconds; return whether it did.

    It did not if it hangs, if it or what is between answers with an error, or if the system starts
    no thread more to ask it with.
    """
    from selenium.common.exceptions import WebDriverException
    from urllib3.exceptions import HTTPError

    done = threading.Event()

    def ask() -> None:
        with suppress(WebDriverException, HTTPError, OSError):
            driver.quit()
            done.set()

    thread = threading.Thread(target=ask, name="quit", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # what Python raises for EAGAIN
        return False
    thread.join(10)
    return done.is_set()
