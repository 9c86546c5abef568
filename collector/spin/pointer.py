"""Mouse and key events of the browser itself; many viewers ignore events made by scripts."""

from __future__ import annotations

from typing import Any

from collector.browser import Browser

_KEYS = {"right": ("ArrowRight", 39), "left": ("ArrowLeft", 37)}


class Pointer:
    """Drags the stage that `T.spinStage` selected, and presses keys.

    Parameters
    ----------
    browser : Browser
        With the viewer's page open.
    stage : dict
        ``x``, ``y``, ``width``, ``height`` in CSS pixels of the window.
    """

    def __init__(self, browser: Browser, stage: dict[str, Any]) -> None:
        self._browser = browser
        self._left = stage["x"] + stage["width"] * 0.04
        self._right = stage["x"] + stage["width"] * 0.96
        self._y = stage["y"] + stage["height"] * 0.5
        self._x = self._left

    def press(self) -> None:
        """Press the button at the left end."""
        self._x = self._left
        self._mouse("mouseMoved")
        self._mouse("mousePressed", buttons=1, clickCount=1)

    def move(self, part: float) -> bool:
        """Drag to the right by a part of the stage's width; False at its end."""
        self._x += part * (self._right - self._left)
        if self._x > self._right:
            return False
        self._mouse("mouseMoved", buttons=1)
        return True

    def release(self) -> None:
        """Release the button."""
        self._x = min(self._x, self._right)
        self._mouse("mouseReleased", buttons=0, clickCount=1)

    def key(self, name: str = "right") -> None:
        """Press and release an arrow key."""
        key, code = _KEYS[name]
        for kind in ("keyDown", "keyUp"):
            self._browser.cdp(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, nativeVirtualKeyCode=code,
            )  # fmt: skip

    def _mouse(self, kind: str, **more: Any) -> None:
        button = "none" if kind == "mouseMoved" and "buttons" not in more else "left"
        self._browser.cdp(
            "Input.dispatchMouseEvent", type=kind, x=self._x, y=self._y, button=button, **more
        )
