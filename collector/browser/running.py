"""What the browser of a discovery thread needs from a running Chromium, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from collector.net.address import AddressGuard

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

Refused = Callable[[str, int, str], None]
"""Called with (host, port, message) for each connection that the guard refused."""


class RunningBrowser(Protocol):
    """A started, guarded browser."""

    @property
    def driver(self) -> WebDriver:
        """Its driver."""

    @property
    def memory(self) -> int:
        """Bytes that it uses; 0 if that is not known."""

    def kill(self) -> None:
        """End it at once, from any thread."""

    def end(self) -> None:
        """End it and what belongs to it, also if it hangs."""


class Launcher(Protocol):
    """Starts browsers."""

    @property
    def places(self) -> int:
        """How many browsers to run at the same time."""

    def launch(
        self, guard: AddressGuard, refused: Refused, *, load_seconds: float, script_seconds: float
    ) -> RunningBrowser:
        """Start one whose connections are all judged by `guard`.

        `load_seconds` and `script_seconds` are the driver's time limits of a page load and of a
        script.

        Raises
        ------
        MissingPartError
            It does not start.
        """

    def withdraw(self) -> None:
        """Give up browsers that were asked for and wait for a place; start no more.

        Whoever waits for one gets a `RunStoppedError`.
        """
