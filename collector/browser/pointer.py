"""Clicks of the browser's own pointer: scripts cannot make events that a page trusts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class ScriptedPage(Protocol):
    """What keeping a page needs of a browser."""

    def run(self, body: str, *arguments: Any) -> Any:
        """Run JavaScript."""


@contextmanager
def staying(page: ScriptedPage) -> Iterator[None]:
    """Have no link, form or script leave the page meanwhile."""
    page.run("T.guard(true)")
    try:
        yield
    finally:
        page.run("T.guard(false)")


class CdpPage(Protocol):
    """What a pointer needs of a browser."""

    def cdp(self, command: str, **parameters: Any) -> Any:
        """Run a DevTools command."""


def click_at(page: CdpPage, x: float, y: float) -> None:
    """Move to a place in the window, in CSS pixels, and click."""
    page.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="none")
    for kind, buttons in (("mousePressed", 1), ("mouseReleased", 0)):
        page.cdp(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=buttons,
            clickCount=1,
        )  # fmt: skip
