"""A guarded browser: it opens pages, runs scripts in them, and is always ended."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bodyshop_core.extras import need_extra
from collector.browser.devtools import devtools
from collector.browser.driver_errors import first_line, is_gone, net_error
from collector.browser.errors import (
    BrowserGoneError,
    ForbiddenPageError,
    HangingPageError,
    PageLoadError,
    ScriptError,
)
from collector.browser.local import LocalLauncher
from collector.browser.network import NetworkLog, NetworkResponse
from collector.browser.running import Launcher, RunningBrowser
from collector.browser.scripts import page_scripts
from collector.browser.settling import settle
from collector.errors import CollectorError
from collector.net.address import AddressGuard

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

PAGES_PER_BROWSER = 50
"""After this number of pages the browser is replaced, because its memory grows."""

MAX_MEMORY = 2_000_000_000
"""Bytes of all its processes; a browser that uses more is replaced before the next page."""


NOT_ASKED = ("*/favicon.ico", "*/favicon.ico?*", "*/favicon-*", "*/apple-touch-icon*")
"""Requests that a browser makes for its tabs and bookmarks only."""

GRACE_SECONDS = 10.0
"""Additional time of a call into the browser, to return what it has found."""


class Browser:
    """One browser, started when it is needed; use as a context manager, in one thread.

    Parameters
    ----------
    guard : AddressGuard
        Checks every connection of the browser.
    agent : str
        Appended to the browser's own User-Agent.
    launcher : Launcher, optional
        Starts it; by default on this machine, without a window.
    load_seconds : float
        Time limit of loading a page; what has arrived by then is used.
    behaviour_seconds : float
        Time limit of everything that is done with an open page; see `left`. A browser that hangs is
        ended `GRACE_SECONDS` later.
    pages_per_browser : int
        Pages after which it is replaced.
    """

    def __init__(
        self,
        guard: AddressGuard,
        agent: str,
        *,
        launcher: Launcher | None = None,
        load_seconds: float = 60.0,
        behaviour_seconds: float = 90.0,
        pages_per_browser: int = PAGES_PER_BROWSER,
    ) -> None:
        self._guard, self._agent = guard, agent
        self._launcher = launcher or LocalLauncher()
        self._load_seconds, self._behaviour_seconds = load_seconds, behaviour_seconds
        self._until = 0.0
        self._pages_per_browser = pages_per_browser
        self._running: RunningBrowser | None = None
        self._pages = 0
        self._log: NetworkLog | None = None
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self.refused: list[tuple[str, int, str]] = []

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def driver(self) -> WebDriver:
        """The running driver; started on first use."""
        running = self._running
        return (self._start() if running is None else running).driver

    def open(self, url: str) -> NetworkResponse | None:
        """Open a page and wait until it is quiet; return the response of its document, if known.

        A script or a meta element may have replaced the page meanwhile: see `url`.

        Raises
        ------
        PageLoadError, ForbiddenPageError
            The page did not load.
        BrowserGoneError
            The browser crashed.
        """
        need_extra("collect", "a browser")
        from selenium.common.exceptions import TimeoutException, WebDriverException

        if self._pages >= self._pages_per_browser or self._is_fat():
            self.end()
        self._pages += 1
        self.refused.clear()
        self._told.clear()
        self._until = time.monotonic() + self._load_seconds
        with self._watched():
            driver = self.driver
            driver.get("about:blank")  # what the last page still loads is not part of this one
            self._requests.leave()
            try:
                driver.get(url)
            except TimeoutException:
                # What has arrived may be enough: the caller waits for what it needs.
                driver.execute_script("window.stop()")
            except WebDriverException as error:
                if code := net_error(error):
                    raise self._not_opened(url, code) from error
                raise
        settle(self)
        # A viewer that goes back when it closes must not come to another model's page.
        self.cdp("Page.resetNavigationHistory")
        self._until = time.monotonic() + self._behaviour_seconds
        with self._watched():
            return self._requests.document()

    @property
    def left(self) -> float:
        """Remaining seconds for this page; never below 0.

        While it is opened, of `load_seconds`, afterwards of `behaviour_seconds`.
        """
        return max(0.0, self._until - time.monotonic())

    @property
    def url(self) -> str:
        """The address of the open page, after redirects."""
        with self._watched():
            return str(self.driver.current_url)

    def seen(self) -> list[NetworkResponse]:
        """Return what the open page received since the last call (and since `open`)."""
        fresh = [each for each in self.responses() if each.request not in self._told]
        self._told.update(each.request for each in fresh)
        return fresh

    def responses(self) -> list[NetworkResponse]:
        """Return every response that the document which is open now and its frames received."""
        with self._watched():
            return self._requests.responses()

    def document(self) -> NetworkResponse | None:
        """Return the response of the document that is open now, if the log contains it."""
        with self._watched():
            return self._requests.document()

    def loader(self) -> str:
        """Return DevTools' id of the document that is open now; it changes with the document."""
        return str(self.cdp("Page.getFrameTree")["frameTree"]["frame"].get("loaderId", ""))

    def body(self, response: NetworkResponse) -> bytes | None:
        """Return the bytes of a complete response of the open page; None if they are gone."""
        try:
            answer = self.cdp("Network.getResponseBody", requestId=response.request)
        except HangingPageError:
            raise
        except ScriptError:  # the browser keeps them only while it has room
            return None
        body = str(answer["body"])
        return base64.b64decode(body) if answer["base64Encoded"] else None

    def arriving(self) -> int:
        """Return how many images the page has asked for that are still under way."""
        with self._watched():
            return self._requests.arriving()

    def waiting(self) -> dict[str, float]:
        """Return address -> age in seconds of what the page still loads, without its images."""
        with self._watched():
            return self._requests.waiting()

    def run(self, body: str, *arguments: Any) -> Any:
        """Run JavaScript and return its value; `T`: our tools, `arguments`: the arguments."""
        with self._watched():
            return self.driver.execute_script(f"const T = window.__bodyshop;\n{body}", *arguments)

    def await_(self, expression: str, *arguments: Any) -> Any:
        """Evaluate a JavaScript expression, also a promise; `T`: our tools, `given`: the arguments.

        Raises
        ------
        ScriptError
            The script failed in the page.
        """
        script = (
            "const given = [...arguments]; const done = given.pop();"
            "const T = window.__bodyshop;"
            f"(async () => ({expression}))().then((value) => done({{ value }}), "
            "(error) => done({ error: String(error && error.stack || error) }));"
        )
        with self._watched():
            answer = self.driver.execute_async_script(script, *arguments)
        if "error" in answer:
            raise ScriptError(f"our script failed in {self.url}: {answer['error'][:500]}")
        return answer.get("value")

    def frames(self, selector: str) -> int:
        """Return the number of frames in the document that match a CSS selector."""
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    @contextmanager
    def inside_frame(self, selector: str, place: int) -> Iterator[bool]:
        """Have scripts run in a frame, also one of another origin; False if it is gone."""
        from selenium.webdriver.common.by import By

        with self._watched():
            found = self.driver.find_elements(By.CSS_SELECTOR, selector)[place : place + 1]
            if found:
                self.driver.switch_to.frame(found[0])
                for script in page_scripts() if not self.run("return !!T") else ():
                    self.driver.execute_script(script)
        try:
            yield bool(found)
        finally:
            with self._watched():
                self.driver.switch_to.default_content()

    def source(self) -> str:
        """Return the page as it is now, as HTML."""
        with self._watched():
            return str(self.driver.page_source)

    def screenshot(self) -> bytes:
        """Return a PNG of the window."""
        with self._watched():
            return bytes(self.driver.get_screenshot_as_png())

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies that the page's address sees."""
        with self._watched():
            return list(self.driver.get_cookies())

    def cdp(self, command: str, **parameters: Any) -> Any:
        """Run a DevTools command."""
        with self._watched():
            return devtools(self.driver, command, **parameters)

    def kill(self) -> None:
        """End the browser at once; for the user who does not want to wait."""
        running = self._running
        if running is not None:
            running.kill()

    def end(self) -> None:
        """End the browser and what belongs to it, also if it hangs."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.end()
        self._pages = 0
        self._log = None

    @property
    def _requests(self) -> NetworkLog:
        if self._log is None:
            self._log = NetworkLog(self.driver)
        return self._log

    def _start(self) -> RunningBrowser:
        running = self._running = self._launcher.launch(
            self._guard,
            lambda *what: self.refused.append(what),
            load_seconds=self._load_seconds,
            script_seconds=self._behaviour_seconds + 2 * GRACE_SECONDS,
        )
        driver = running.driver
        own = driver.execute_script("return navigator.userAgent")
        # Nothing that a page offers for download is written to the browser's machine.
        devtools(driver, "Browser.setDownloadBehavior", behavior="deny")
        devtools(driver, "Network.setUserAgentOverride", userAgent=f"{own} {self._agent}")
        devtools(driver, "Network.setBlockedURLs", urls=list(NOT_ASKED))
        for script in page_scripts():
            devtools(driver, "Page.addScriptToEvaluateOnNewDocument", source=script)
        return running

    @contextmanager
    def _watched(self, seconds: float | None = None) -> Iterator[None]:
        """Turn the many errors of a driver whose browser is gone into one.

        A page in an endless loop keeps driver and browser from responding: after `seconds`, by
        default the remaining time of the page, and `GRACE_SECONDS`, both are ended from outside.
        """
        from selenium.common.exceptions import TimeoutException, WebDriverException
        from urllib3.exceptions import HTTPError

        hung = threading.Event()
        limit = (self.left if seconds is None else seconds) + GRACE_SECONDS

        def ring() -> None:
            hung.set()
            self.kill()

        timer = threading.Timer(limit, ring)
        timer.daemon = True
        try:
            self.driver  # noqa: B018 - the start of a browser is not counted
            timer.start()
            try:
                yield
            finally:
                timer.cancel()
        except (WebDriverException, HTTPError, ConnectionError) as error:
            if hung.is_set():
                self.end()
                raise HangingPageError(f"the page hangs: no response in {limit:.0f} s") from error
            if isinstance(error, TimeoutException):
                self.end()  # the script would block the next page too
                raise HangingPageError(
                    f"a script in the page did not end: {first_line(error)}"
                ) from error
            if not isinstance(error, WebDriverException):
                self.end()
                raise BrowserGoneError(f"the driver is gone: {first_line(error)}") from error
            if is_gone(error):
                self.end()
                raise BrowserGoneError(f"the browser is gone: {first_line(error)}") from error
            raise ScriptError(f"the browser refused: {first_line(error)}") from error

    def _not_opened(self, url: str, code: str) -> CollectorError:
        if self.refused:
            return ForbiddenPageError(f"{url} was not opened: {self.refused[-1][2]}")
        return PageLoadError(f"{url} was not opened: {code}")

    def _is_fat(self) -> bool:
        return self._running is not None and self._running.memory > MAX_MEMORY
