"""Browsers on this machine: processes, a proxy on loopback, and a profile folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.processes import end_group, group_memory
from collector.browser.driver import BrowserParts, find_browser, start_driver
from collector.browser.process_group import quit_driver
from collector.browser.proxy import GuardProxy
from collector.browser.running import Refused
from collector.browser.watchdog import Watchdog
from collector.net.address import AddressGuard

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


class LocalLauncher:
    """Starts browsers on this machine.

    Parameters
    ----------
    headed : bool
        Show the window.
    places : int, optional
        Browsers at the same time; by default one per processor, at most four.
    """

    def __init__(self, *, headed: bool = False, places: int | None = None) -> None:
        self._headed, self.places = headed, places or min(4, os.cpu_count() or 1)
        self._parts: BrowserParts | None = None

    def withdraw(self) -> None:
        """See `collector.browser.running.Launcher`: none waits for a place here."""

    def launch(
        self, guard: AddressGuard, refused: Refused, *, load_seconds: float, script_seconds: float
    ) -> LocalBrowser:
        """Start one; see `collector.browser.running.Launcher`."""
        self._parts = self._parts or find_browser()
        profile = Path(tempfile.mkdtemp(prefix="bodyshop-browser-"))
        with ExitStack() as started:  # what has to end if anything of this fails
            started.callback(shutil.rmtree, profile, ignore_errors=True)
            proxy = started.enter_context(GuardProxy(guard, on_refused=refused))
            driver = start_driver(
                self._parts, profile, proxy=proxy.address, headed=self._headed,
                load_seconds=load_seconds, script_seconds=script_seconds,
            )  # fmt: skip
            browser = LocalBrowser(driver, proxy, profile)
            started.callback(browser.end)
            browser.watch()
            started.pop_all()
        return browser


class LocalBrowser:
    """A browser on this machine; from `LocalLauncher`."""

    def __init__(self, driver: Chrome, proxy: GuardProxy, profile: Path) -> None:
        self.driver = driver
        self._proxy, self.profile = proxy, profile
        process = driver.service.process
        self._group = process.pid if process is not None else None
        self._watchdog: Watchdog | None = None

    def watch(self) -> None:
        """Have its processes and profile end with this process, however that ends.

        Raises
        ------
        OSError
            The system starts no process more.
        """
        if self._group is not None:
            self._watchdog = Watchdog(self._group, self.profile)

    @property
    def memory(self) -> int:
        """Bytes of all its processes."""
        return group_memory(self._group) if self._group is not None else 0

    def kill(self) -> None:
        """End its processes."""
        if self._group is not None:
            end_group(self._group, at_once=True)

    def end(self) -> None:
        """End browser, driver, proxy and profile."""
        quit_driver(self.driver)
        self.kill()
        if self._watchdog is not None:
            self._watchdog.dismiss()
        self._proxy.__exit__(None, None, None)
        shutil.rmtree(self.profile, ignore_errors=True)
