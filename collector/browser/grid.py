"""Browsers of a Selenium Grid 4, on other machines, whose traffic comes back through this one."""

from __future__ import annotations

import base64
import os
import socket
import threading
import time
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import requests

from bodyshop_core.errors import InterruptedByUser, MissingPartError
from bodyshop_core.extras import need_extra
from collector.browser.driver import GUARD_FLAGS, chrome_options
from collector.browser.driver_errors import first_line
from collector.browser.grid_address import GridAddress, ProxyPlace
from collector.browser.grid_queue import withdraw
from collector.browser.process_group import quit_driver
from collector.browser.proof import UnguardedBrowserError, check_arguments, proof_url, prove
from collector.browser.running import Refused
from collector.browser.sign_in import SignInError, sign_in
from collector.browser.token_proxy import Admission, TokenProxy, places_of
from collector.errors import RunStoppedError
from collector.net.address import AddressGuard

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

USER_VARIABLE, PASSWORD_VARIABLE = "BODYSHOP_GRID_USER", "BODYSHOP_GRID_PASSWORD"
"""For a Grid that was started with ``--username`` and ``--password``."""

MOST_BROWSERS = 4
"""As on this machine, so that a collector does not take a whole Grid."""

PROXY_NAME = "bodyshop-proxy.invalid"
"""The proxy's name in the browser. Chromium resolves it, and no other name (RFC 6761)."""

STATUS_SECONDS = 10.0
END_SECONDS = 5.0
START_SECONDS = 330.0
"""A Grid keeps a request for a session for 300 s until a browser is free (its default)."""

WITHDRAW_SECONDS = 0.5
"""Between two looks at the queue, while the answer to a request is awaited."""

GRACE_SECONDS = 10.0
"""How much longer than the driver's own limits a command is waited for: its node may be gone."""

_ONCE = {"retries": False}  # urllib3 would repeat a command that got no answer


class GridLauncher:
    """Starts browsers of a Selenium Grid 4; use as a context manager.

    Every one of them has `TokenProxy` on this machine as its proxy, with a token of its own, and is
    not used before it has proved that.

    Parameters
    ----------
    url : str
        Of the Grid: ``http://grid:4444``.
    proxy_address : str, optional
        ``HOST[:PORT]`` at which the nodes reach this machine; by default the address that this
        machine has towards the Grid, and a free port.
    headed : bool
        Show the window, on the node's display.
    places : int, optional
        Browsers at the same time; by default those that are free, at most four.

    Raises
    ------
    UsageError
        `url` or `proxy_address` is not valid.
    """

    def __init__(
        self,
        url: str,
        *,
        proxy_address: str | None = None,
        headed: bool = False,
        places: int | None = None,
    ) -> None:
        self._grid, self._headed = GridAddress.parse(url), headed
        self._place = ProxyPlace.parse(proxy_address) if proxy_address else None
        user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
        self._login = (user, password or "") if user else None
        self._proxy: TokenProxy
        self._running: set[GridBrowser] = set()
        self._ended = self._withdrawn = False
        self._asking = 0
        self._lock = threading.Lock()
        self._wanted, self.places = places, 1

    def __enter__(self) -> Self:
        """Ask the Grid for its free browsers, and open the proxy.

        Raises
        ------
        MissingPartError
            No Selenium Grid 4 answers, or `proxy_address` cannot be listened on.
        """
        need_extra("collect", "a browser")
        free = self.free_browsers()
        self.places = self._wanted or max(1, min(MOST_BROWSERS, free))
        self._place = self._place or ProxyPlace(self._own_address())
        try:
            never = places_of(self._grid.host, self._grid.port)
        except OSError as error:
            raise MissingPartError(
                f"{self._grid.host} does not resolve, so pages could not be kept from it: {error}",
                hint="give the Grid's address in --browser-url instead of its name",
            ) from error
        self._proxy = self._place.listen()
        self._proxy.keep_from(never)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._ended = True
            left = list(self._running)
        for browser in left:
            browser.kill()
        self._proxy.__exit__(kind, error, trace)

    def withdraw(self) -> None:
        """See `collector.browser.running.Launcher`.

        Where the Grid does not allow it, those who wait are answered when its own limit is over.
        """
        self._withdrawn = True
        while self._asking and withdraw(self._grid.url, self._login, self._resolver()):
            time.sleep(WITHDRAW_SECONDS)  # a request may be under way, or become a session

    def launch(
        self, guard: AddressGuard, refused: Refused, *, load_seconds: float, script_seconds: float
    ) -> GridBrowser:
        """Start one, and prove that its traffic is guarded.

        Raises
        ------
        MissingPartError
            It did not start.
        UnguardedBrowserError
            Its traffic does not all pass the proxy.
        InterruptedByUser
            The launcher was left while the Grid had no free browser; the session is ended.
        RunStoppedError
            So it was withdrawn.
        """
        advertised, resolver = self.advertised, self._resolver()
        proxy = f"http://{PROXY_NAME}:{self._proxy.port}"
        arguments = (f"--proxy-server={proxy}", resolver)
        driver = self._session(arguments, max(load_seconds, script_seconds) + GRACE_SECONDS)
        browser = GridBrowser(
            driver, self._proxy, self._proxy.admit(guard, refused), self._delete, self._forget
        )
        with self._lock:
            ended = self._ended
            self._running.add(browser)
        with ExitStack() as stack:
            stack.callback(browser.end)
            if ended:
                raise InterruptedByUser("the command ended while a browser of the Grid started")
            driver.set_page_load_timeout(load_seconds)
            driver.set_script_timeout(script_seconds)
            check_arguments(driver, (*GUARD_FLAGS, *arguments))
            self._sign_in(browser, proxy, advertised)
            prove(driver, browser.admission, self._reachable(advertised))
            stack.pop_all()
        return browser

    @property
    def advertised(self) -> str:
        """Host and port at which the nodes are to reach the proxy."""
        assert self._place is not None
        return self._place.text(self._proxy.port)

    def _resolver(self) -> str:
        # Whatever a node's own settings say about proxies: without its resolver Chromium connects
        # to nothing but the proxy, not even to an address in figures.
        return f"--host-resolver-rules=MAP {PROXY_NAME} {self.advertised},MAP * ~NOTFOUND"

    def free_browsers(self) -> int:
        """Return for how many more sessions of Chrome the Grid has room.

        Raises
        ------
        MissingPartError
            No Selenium Grid 4 answers.
        """
        hint = (
            f"start one (docs: selenium.dev/documentation/grid), then try {self._grid.url}/status"
        )
        try:
            answer = requests.get(
                f"{self._grid.url}/status", auth=self._login, timeout=STATUS_SECONDS
            )
            if answer.status_code == requests.codes.unauthorized:
                raise MissingPartError(
                    f"the Grid at {self._grid.url} wants a user and a password",
                    hint=f"put them into {USER_VARIABLE} and {PASSWORD_VARIABLE}",
                )
            nodes = answer.json()["value"]["nodes"]
            slots = [
                slot for node in nodes if node.get("availability") == "UP" for slot in node["slots"]
            ]
            return sum(
                slot["session"] is None and slot["stereotype"].get("browserName") == "chrome"
                for slot in slots
            )
        except requests.JSONDecodeError as error:
            raise MissingPartError(
                f"what answers at {self._grid.url} is no Selenium Grid", hint=hint
            ) from error
        except requests.RequestException as error:
            raise MissingPartError(
                f"no Selenium Grid answers at {self._grid.url}: {first_line(error)}", hint=hint
            ) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise MissingPartError(
                f"what answers at {self._grid.url} is no Selenium Grid 4: its status has no nodes",
                hint="a single driver cannot be used: it does not forward DevTools",
            ) from error

    def _own_address(self) -> str:
        """Return the address of this machine that packets to the Grid come from."""
        try:
            found = socket.getaddrinfo(self._grid.host, self._grid.port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, place = found[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.connect(place)  # sends nothing
                return str(probe.getsockname()[0])
        except OSError as error:
            raise MissingPartError(
                f"this machine has no address towards {self._grid.host}: {error}",
                hint="name the one at which the nodes reach it: --proxy-address HOST",
            ) from error

    def _session(self, arguments: tuple[str, ...], seconds: float) -> WebDriver:
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver import Remote
        from selenium.webdriver.remote.client_config import ClientConfig
        from urllib3.exceptions import HTTPError

        options = chrome_options(*arguments, headed=self._headed)
        options.set_capability("se:name", "bodyshop collect")
        user, password = self._login or (None, None)
        # Without keep_alive each command has the time limit that holds when it is sent.
        config = ClientConfig(
            self._grid.url, keep_alive=False, timeout=int(START_SECONDS), username=user,
            password=password, init_args_for_pool_manager={"init_args_for_pool_manager": _ONCE},
        )  # fmt: skip
        with self._lock:
            self._asking += 1
        try:
            if self._withdrawn:
                raise RunStoppedError("stopped before a browser of the Grid was asked for")
            driver = Remote(self._grid.url, keep_alive=False, options=options, client_config=config)
            config.timeout = int(seconds)
            return driver
        except (WebDriverException, HTTPError, OSError) as error:
            if self._withdrawn:
                raise RunStoppedError("stopped while the Grid had no free browser") from error
            raise MissingPartError(
                f"the Grid at {self._grid.url} did not start a browser: {first_line(error)}",
                hint="it needs a node with Chrome or Chromium and a free slot: "
                f"{self._grid.url}/ui",
            ) from error
        finally:
            with self._lock:
                self._asking -= 1

    def _sign_in(self, browser: GridBrowser, proxy: str, advertised: str) -> None:
        from websocket import WebSocketException

        driver, admission = browser.driver, browser.admission
        offered = str(driver.capabilities.get("se:cdp") or "")
        without = MissingPartError(
            f"the Grid at {self._grid.url} does not forward DevTools (se:cdp), without which the "
            "browser's traffic cannot be guarded",
            hint="start its nodes with --enable-cdp true, and let web sockets through to it",
        )
        if "/session/" not in offered:
            raise without
        try:
            sign_in(
                self._grid.socket_of(offered), self._headers(), driver.current_window_handle,
                proxy, admission, proof_url(admission),
            )  # fmt: skip
        except SignInError as error:
            raise UnguardedBrowserError(
                f"the browser of the Grid has no way through the guarding proxy at "
                f"{advertised}: {error}",
                hint="name an address of this machine that the node reaches: --proxy-address "
                "HOST[:PORT], and open the port in firewalls between them",
            ) from error
        except (OSError, WebSocketException) as error:
            without.message += f": {first_line(error)}"
            raise without from error

    def _headers(self) -> dict[str, str]:
        if self._login is None:
            return {}
        text = ":".join(self._login).encode()
        return {"Authorization": f"Basic {base64.b64encode(text).decode()}"}

    def _reachable(self, advertised: str) -> list[str]:
        """Return what a node reaches by itself: the Grid, and this machine."""
        return [self._grid.netloc, advertised]

    def _delete(self, session: str) -> None:
        """Ask for the end of a session on a connection of its own; its command may be waiting."""
        with suppress(requests.RequestException):  # then the Grid's session timeout ends it
            requests.delete(
                f"{self._grid.url}/session/{session}", auth=self._login, timeout=END_SECONDS
            )

    def _forget(self, browser: GridBrowser) -> None:
        with self._lock:
            self._running.discard(browser)


class GridBrowser:
    """A browser on a node of a Grid; from `GridLauncher`."""

    memory = 0
    """Not known; it is replaced after as many pages as others."""

    def __init__(
        self, driver: WebDriver, proxy: TokenProxy, admission: Admission, delete: Any, forget: Any
    ) -> None:
        self.driver, self.admission = driver, admission
        self._proxy, self._delete, self._forget = proxy, delete, forget

    def kill(self) -> None:
        """Cut it off, and have the Grid end it."""
        self._proxy.dismiss(self.admission)
        self._delete(str(self.driver.session_id))

    def end(self) -> None:
        """Cut it off, and end the session: its node removes browser, driver and profile."""
        self._proxy.dismiss(self.admission)
        if not quit_driver(self.driver):
            self._delete(str(self.driver.session_id))
        self._forget(self)
