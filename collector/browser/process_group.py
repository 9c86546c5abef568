"""Ending a driver and its browser, also when they hang."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
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


def end_group(pid: int | None) -> None:
    """End the process group of this driver, and nothing else."""
    if pid is None or os.name != "posix":
        return
    end: Callable[[int, int], None] = os.killpg
    with suppress(ProcessLookupError, PermissionError):
        end(pid, signal.SIGKILL)
