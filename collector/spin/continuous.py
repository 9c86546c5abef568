"""Canvases that turn without steps (WebGL): the turn is found by the return of the first view."""

from __future__ import annotations

import base64
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from collector.browser import Browser
from collector.spin.pointer import Pointer

FRAMES = 36
STEP_PIXELS = 6.0
MAX_STEPS = 480
TRIED = 7
"""Views after which it is known how long one takes, and whether the viewer turns without steps."""

MOST_COARSE = 3
"""Steps grow at most by this factor where the canvas is painted too slowly for the time."""

STILL_MS = 400
RETURN = 0.15
"""The first view has returned when a view differs from it by less than this part of the largest
difference of the turn."""


SEEN_TWICE = 0.7
"""A viewer turns in steps when at most this part of the views differ from the one before."""


@dataclass(frozen=True)
class View:
    """What the canvas showed after a step: a small grey copy, and the PNG."""

    grey: tuple[int, ...]
    png: bytes


def turn_continuously(
    browser: Browser, stage: dict[str, Any], *, seconds: float
) -> tuple[list[bytes], bool]:
    """Drag the canvas in equal steps until its first view returns.

    Parameters
    ----------
    browser : Browser
        With the viewer's page open; `T.spinStage` chose the canvas.
    stage : dict
        From `T.spinStage`.
    seconds : float
        Time limit.

    Returns
    -------
    frames : list of bytes
        PNG files of one turn (see `places_of_frames`), or what was seen if no turn was found.
    whole : bool
        The first view returned.
    """
    until = time.monotonic() + seconds
    pointer = Pointer(browser, stage)
    started = time.monotonic()
    views = [_look(browser)]
    step = STEP_PIXELS / (0.92 * stage["width"])
    part = step
    while len(views) < MAX_STEPS and time.monotonic() < until:
        pointer.press()
        while pointer.move(part) and len(views) < MAX_STEPS and time.monotonic() < until:
            views.append(_look(browser))
            if len(views) == TRIED == len({view.grey for view in views}) and part == step:
                each = (time.monotonic() - started) / TRIED
                coarse = coarseness(stage["height"], each, until - time.monotonic())
                views, part = views[::coarse], coarse * step
            period = period_of([view.grey for view in views])
            if period is not None:
                pointer.release()
                places = list(range(round(period)))
                if part == step:  # else the steps are too few to choose from
                    places = places_of_frames([view.grey for view in views], period)
                return [views[place].png for place in places], True
        pointer.release()
    return [view.png for view in views], False


def coarseness(height: float, each: float, seconds: float) -> int:
    """Return by which factor the steps have to grow for a turn to fit into the time.

    Parameters
    ----------
    height : float
        Of the stage in pixels: most viewers turn once when they are dragged as far as that.
    each, seconds : float
        Time of one view, and the time that is left.
    """
    needed = 1.3 * height / STEP_PIXELS
    return max(1, min(MOST_COARSE, math.ceil(needed * each / max(seconds, 0.1))))


def period_of(views: Sequence[Sequence[int]]) -> float | None:
    """Return after how many steps the first view returned, or None if it has not yet.

    Parameters
    ----------
    views : sequence of sequences of int
        Grey values of the views after each step, all of one length. The last views have to lead
        away from the first again, so that the nearest one is known.
    """
    if len(views) < 12:
        return None
    import numpy as np  # a tenth of a second, of no use to who turns no canvas

    grey = np.asarray(views, dtype=np.float64)
    distance = np.abs(grey - grey[0]).mean(axis=1)
    away = distance.max()
    if away < 1.0:
        return None
    near = distance < RETURN * away
    left = int(np.argmin(near))  # the first view that is clearly another one
    back = np.flatnonzero(near[left:])
    if not near[left:].any() or left == 0:
        return None
    first = left + int(back[0])
    end = first
    while end + 1 < len(views) and near[end + 1]:
        end += 1
    if end + 1 >= len(views):
        return None
    nearest = first + int(np.argmin(distance[first : end + 1]))
    return float(nearest)


def places_of_frames(views: Sequence[Sequence[int]], period: float) -> list[int]:
    """Return which views are the frames of one turn.

    A viewer that turns in steps shows the same view several times in a row: then each step is a
    frame. Otherwise there are `FRAMES` frames at equal distances.

    Parameters
    ----------
    views : sequence of sequences of int
        As for `period_of`.
    period : float
        What it returned.
    """
    steps = [0, *(at for at in range(1, round(period)) if views[at] != views[at - 1])]
    if len(steps) <= min(FRAMES, SEEN_TWICE * period):
        return steps
    return list(dict.fromkeys(round(number * period / FRAMES) for number in range(FRAMES)))


def _look(browser: Browser) -> View:
    seen = browser.await_("T.spinStill(given[0])", STILL_MS)
    return View(tuple(seen["grey"]), base64.b64decode(seen["url"].partition(",")[2]))
