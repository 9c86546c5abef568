"""Viewers that draw on a canvas: their pixels, or else screenshots."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collector.browser import Browser
from collector.spin.frames import MAX_FRAMES, MIN_FRAMES
from collector.spin.pointer import Pointer

FIRST_PAINT_MS = 8000
REPAINT_MS = 600
STEPS_PER_DRAG = 72
MAX_DRAGS = 3
DEVICE_PIXEL_RATIO = 2
SCREENSHOT_TRIES = 3


@dataclass(frozen=True)
class CanvasFrame:
    """One frame: lossless bytes, and an id that is the same for the same pixels."""

    png: bytes
    id: str


@dataclass(frozen=True)
class CanvasTurn:
    """The frames of a canvas viewer.

    Parameters
    ----------
    frames : list of bytes
        PNG files in the order of the turn.
    whole : bool
        The first frame returned.
    capture : str
        ``canvas`` (its own pixels) or ``screenshot``.
    """

    frames: list[bytes]
    whole: bool
    capture: str


def capture_turn(browser: Browser, stage: dict[str, Any], *, seconds: float = 60.0) -> CanvasTurn:
    """Turn the viewer frame by frame until the first frame returns.

    Parameters
    ----------
    browser : Browser
        With the viewer's page open; `T.spinStage` chose the canvas.
    stage : dict
        From `T.spinStage`.
    seconds : float
        Time limit.
    """
    until = time.monotonic() + seconds
    first = browser.await_("T.spinCanvas('', given[0])", FIRST_PAINT_MS)
    if first.get("tainted"):
        return _capture_screenshots(browser, stage, until)

    def next_frame(before: str) -> CanvasFrame | None:
        shot = browser.await_("T.spinCanvas(given[0], given[1])", before, REPAINT_MS)
        if "url" not in shot:
            return None
        return CanvasFrame(base64.b64decode(shot["url"].partition(",")[2]), shot["id"])

    frames, whole = _turn(browser, Pointer(browser, stage), next_frame, until)
    return CanvasTurn(frames, whole, "canvas")


def _capture_screenshots(browser: Browser, stage: dict[str, Any], until: float) -> CanvasTurn:
    """Take screenshots of the canvas at twice the resolution, with everything above it hidden."""
    width, height = browser.run("return [innerWidth, innerHeight]")
    browser.cdp(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=DEVICE_PIXEL_RATIO,
        mobile=False,
    )
    try:
        browser.run(_HIDE_OVERLAYS)
        clip = {key: stage[key] for key in ("x", "y", "width", "height")} | {"scale": 1}

        def next_frame(before: str) -> CanvasFrame | None:
            for _ in range(SCREENSHOT_TRIES):
                browser.await_("T.frame().then(T.frame)")
                answer = browser.cdp("Page.captureScreenshot", format="png", clip=clip)
                png = base64.b64decode(answer["data"])
                shot = CanvasFrame(png, hashlib.sha256(png).hexdigest())
                if shot.id != before:
                    return shot
            return None

        frames, whole = _turn(browser, Pointer(browser, stage), next_frame, until)
    finally:
        browser.cdp("Emulation.clearDeviceMetricsOverride")
    return CanvasTurn(frames, whole, "screenshot")


def _turn(
    browser: Browser,
    pointer: Pointer,
    next_frame: Callable[[str], CanvasFrame | None],
    until: float,
) -> tuple[list[bytes], bool]:
    """Turn by keys, or else by dragging; the first frame is the one the viewer starts with."""
    browser.run("return T.spinFocus()")
    first = next_frame("")
    if first is None:
        return [], False
    sequence = _FrameSequence(first)
    while len(sequence.frames) < MAX_FRAMES and time.monotonic() < until:
        pointer.key()
        shot = next_frame(sequence.last)
        if shot is None:
            break
        if sequence.add(shot):
            return sequence.turn(), True
    if len(sequence.frames) >= MIN_FRAMES:
        return sequence.turn(), False  # it stops at its last frame
    for _ in range(MAX_DRAGS):
        pointer.press()
        while pointer.move(1 / STEPS_PER_DRAG) and time.monotonic() < until:
            shot = next_frame(sequence.last)
            if shot is not None and sequence.add(shot):
                pointer.release()
                return sequence.turn(), True
        pointer.release()
        if len(sequence.frames) == 1:
            break
    return sequence.turn(), False


class _FrameSequence:
    """Frames in the order in which they were shown, until one returns (see `whole_turn`)."""

    def __init__(self, first: CanvasFrame) -> None:
        self.frames, self.last, self._start = [first], first.id, 0

    def add(self, shot: CanvasFrame) -> bool:
        """Add a frame; return whether it completes the turn."""
        self.last = shot.id
        ids = [frame.id for frame in self.frames]
        if shot.id not in ids:
            self.frames.append(shot)
            return False
        start = ids.index(shot.id)
        if len(ids) - start < MIN_FRAMES:
            return False
        self._start = start
        return True

    def turn(self) -> list[bytes]:
        return [frame.png for frame in self.frames[self._start :]]


_HIDE_OVERLAYS = """
const plain = document.createElement("style");
plain.textContent = "* { outline: none !important; caret-color: transparent !important; }";
document.head.append(plain);
for (const element of T.elements(document)) {
  const style = getComputedStyle(element);
  if ((style.position === "fixed" || style.position === "sticky") && !element.contains(T.stage))
    element.style.setProperty("visibility", "hidden", "important");
}
"""
