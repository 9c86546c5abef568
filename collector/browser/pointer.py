"""Clicks of the browser's own pointer: scripts cannot make events that a page trusts."""

from __future__ import annotations

from typing import Any, Protocol


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
