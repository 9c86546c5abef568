"""Viewers that draw on a canvas: their pixels, else a picture of the screen."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collector.browser import Browser
from collector.spin.frames import MAX_FRAMES, MIN_FRAMES
from collector.spin.hand import Hand

FIRST_PAINT_MS = 8000
REPAINT_MS = 600
STEPS_PER_DRAG = 72
MAX_DRAGS = 3
DEVICE_PIXEL_RATIO = 2


@dataclass(frozen=True)
class Shot:
    """One frame: lossless bytes, and an id that is the same for the same pixels."""

    png: bytes
    id: str


@dataclass(frozen=True)
class Filmed:
    """The frames of a canvas viewer.

    Parameters
    ----------
    frames : list of bytes
        PNG files in the order of the turn.
    whole : bool
        The first frame was seen to come back.
    capture : str
        ``canvas`` (its own pixels) or ``screenshot``.
    """

    frames: list[bytes]
    whole: bool
    capture: str


def film(browser: Browser, stage: dict[str, Any]) -> Filmed:
    """Turn the viewer frame by frame until the first one comes back.

    Parameters
    ----------
    browser : Browser
        With the viewer's page open; `T.spinStage` chose the canvas.
    stage : dict
        From `T.spinStage`.
    """
    first = browser.await_("T.spinCanvas('', given[0])", FIRST_PAINT_MS)
    if first.get("tainted"):
        return _film_screen(browser, stage)

    def look(before: str) -> Shot | None:
        shot = browser.await_("T.spinCanvas(given[0], given[1])", before, REPAINT_MS)
        if "url" not in shot:
            return None
        return Shot(base64.b64decode(shot["url"].partition(",")[2]), shot["id"])

    if "url" not in first:
        return Filmed([], False, "canvas")
    start = Shot(base64.b64decode(first["url"].partition(",")[2]), first["id"])
    frames, whole = _turn(browser, Hand(browser, stage), start, look)
    return Filmed(frames, whole, "canvas")


def _film_screen(browser: Browser, stage: dict[str, Any]) -> Filmed:
    """Photograph the canvas on a screen of twice the pixels, with whatever lies over it hidden."""
    width, height = browser.run("return [innerWidth, innerHeight]")
    browser.cdp(
        "Emulation.setDeviceMetricsOverride", width=width, height=height,
        deviceScaleFactor=DEVICE_PIXEL_RATIO, mobile=False,
    )  # fmt: skip
    try:
        browser.run(_HIDE_OVERLAYS)
        clip = {key: stage[key] for key in ("x", "y", "width", "height")} | {"scale": 1}

        def shoot() -> Shot:
            browser.await_("T.frame().then(T.frame)")
            answer = browser.cdp("Page.captureScreenshot", format="png", clip=clip)
            png = base64.b64decode(answer["data"])
            return Shot(png, hashlib.sha256(png).hexdigest())

        def look(before: str) -> Shot | None:
            for _ in range(4):
                shot = shoot()
                if shot.id != before:
                    return shot
            return None

        frames, whole = _turn(browser, Hand(browser, stage), shoot(), look)
    finally:
        browser.cdp("Emulation.clearDeviceMetricsOverride")
    return Filmed(frames, whole, "screenshot")


def _turn(
    browser: Browser, hand: Hand, first: Shot, look: Callable[[str], Shot | None]
) -> tuple[list[bytes], bool]:
    browser.run("return T.spinFocus()")
    frames, last = [first], first.id
    for _ in range(MAX_FRAMES):
        hand.key()
        shot = look(last)
        if shot is None:
            break
        if shot.id == first.id:
            return [frame.png for frame in frames], len(frames) >= MIN_FRAMES
        frames.append(shot)
        last = shot.id
    if len(frames) >= MIN_FRAMES:
        return [frame.png for frame in frames], False  # it stops at its last frame
    return _drag(hand, first, look)


def _drag(hand: Hand, first: Shot, look: Callable[[str], Shot | None]) -> tuple[list[bytes], bool]:
    """Drag in steps smaller than any frame; what does not change within a step is no new frame."""
    frames, known, last = [first], {first.id}, first.id
    for _ in range(MAX_DRAGS):
        hand.press()
        while hand.move(1 / STEPS_PER_DRAG):
            shot = look(last)
            if shot is None:
                continue
            last = shot.id
            if shot.id == first.id and len(frames) >= MIN_FRAMES:
                hand.release()
                return [frame.png for frame in frames], True
            if shot.id not in known:
                known.add(shot.id)
                frames.append(shot)
        hand.release()
        if len(frames) == 1:
            break
    return [frame.png for frame in frames], False


_HIDE_OVERLAYS = """
const box = T.stage.getBoundingClientRect();
for (const element of T.elements(document)) {
  const style = getComputedStyle(element);
  if ((style.position === "fixed" || style.position === "sticky") && !element.contains(T.stage))
    element.style.setProperty("visibility", "hidden", "important");
}
"""
