"""Viewers whose frames are pictures that are only requested while they turn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from collector.browser import Browser
from collector.spin.frames import MAX_FRAMES, MIN_FRAMES, infer_template, whole_turn
from collector.spin.pointer import Pointer

STEPS_PER_DRAG = 48
MAX_DRAGS = 4
SETTLE_MS = 400
FIRST_KEY_MS = 2000
"""A viewer that is still loading reacts late to its first key."""


@dataclass(frozen=True)
class FrameUrls:
    """The frames of a viewer.

    Parameters
    ----------
    urls : list of str
        In the order of the turn.
    whole : bool
        The first frame returned, so that none is missing at the end.
    """

    urls: list[str]
    whole: bool


def turn_viewer(
    browser: Browser, stage: dict[str, Any], *, frames: int | None = None, seconds: float = 60.0
) -> FrameUrls:
    """Turn the viewer with the arrow keys, or else by dragging, and list its frames.

    Parameters
    ----------
    browser : Browser
        With the viewer's page open; `T.spinStage` chose the stage.
    stage : dict
        From `T.spinStage`.
    frames : int, optional
        Their number, if the user knows it.
    seconds : float
        Time limit.
    """
    until = time.monotonic() + seconds
    browser.seen()
    pointer = Pointer(browser, stage)
    shown = [browser.run("return T.spinShown()")]
    if browser.run("return T.spinFocus()"):
        shown += _by_keys(browser, pointer, shown[0], until)
    if len(set(shown)) < MIN_FRAMES:
        shown += _by_dragging(browser, pointer, until)
    shown = [each for each in shown if each]
    asked = [seen.url for seen in browser.seen() if seen.is_image]
    order = whole_turn(shown)
    template = infer_template([*shown, *asked])
    if template is not None:
        return FrameUrls(*_filled(template.urls(), shown, order is not None, frames))
    return FrameUrls(order or list(dict.fromkeys(shown)), order is not None)


def _filled(
    urls: list[str], shown: list[str], whole: bool, frames: int | None
) -> tuple[list[str], bool]:
    """Begin with the viewer's first frame; the user's number decides what a whole turn is."""
    if frames is not None:
        whole = len(urls) == frames
    if shown and shown[0] in urls:
        first = urls.index(shown[0])
        urls = urls[first:] + urls[:first]
    return urls, whole


def _by_keys(
    browser: Browser, pointer: Pointer, first: str | None, until: float
) -> list[str | None]:
    shown: list[str | None] = []
    known, last, patience = {first}, first, FIRST_KEY_MS
    while len(known) < MAX_FRAMES and time.monotonic() < until:
        pointer.key()
        now = _changed(browser, last, patience)
        if now == last:
            break  # it does not react to keys, or stops at its last frame
        shown.append(now)
        if now in known and len(known) > MIN_FRAMES:
            break
        known.add(now)
        last, patience = now, SETTLE_MS
    return shown


def _by_dragging(browser: Browser, pointer: Pointer, until: float) -> list[str | None]:
    shown: list[str | None] = []
    for _ in range(MAX_DRAGS):
        pointer.press()
        while pointer.move(1 / STEPS_PER_DRAG) and time.monotonic() < until:
            shown.append(browser.await_("T.frame().then(() => T.spinShown())"))
        pointer.release()
        browser.await_("T.quiet(given[0])", SETTLE_MS)
        if len(set(shown)) < 2 or whole_turn([each for each in shown if each]) is not None:
            break
    return shown


def _changed(browser: Browser, last: str | None, patience: int) -> str | None:
    value = browser.await_(
        "T.waitFor(() => T.spinShown() !== given[0] && T.spinShown(), given[1])", last, patience
    )
    return value or last
