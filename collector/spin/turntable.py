"""Viewers whose frames are pictures that are only requested while they turn."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from collector.browser import Browser
from collector.browser.pointer import staying
from collector.spin.frames import MAX_FRAMES, MIN_FRAMES, infer_template, whole_turn
from collector.spin.pointer import Pointer

STEPS_PER_DRAG = 48
MAX_DRAGS = 4
SETTLE_MS = 400
FINER = 4
"""By how much the steps of a second turn are smaller."""

MOST_IDLE = 4
"""Steps of a slider that show nothing new, one after another, before it is given up."""

FIRST_KEY_MS = 2000
"""A viewer that is still loading reacts late to its first key."""


_Cell = tuple[float, float, float, float]


@dataclass(frozen=True)
class FrameUrls:
    """The frames of a viewer.

    Parameters
    ----------
    urls : list of str
        In the order of the turn.
    whole : bool
        The first frame returned, so that none is missing at the end.
    sense : str, optional
        ``ccw`` if the frames follow one another when the viewer is dragged to the right, which
        turns a car counter-clockwise, seen from above; ``cw`` if it is the other way round.
    cells : list of (left, top, width, height)
        The frames are parts of one sheet, the only address: in parts of its size.
    """

    urls: list[str]
    whole: bool
    sense: str | None = None
    cells: list[tuple[float, float, float, float]] = field(default_factory=list)


def turn_viewer(
    browser: Browser, stage: dict[str, Any], *, frames: int | None = None, seconds: float = 60.0
) -> FrameUrls:
    """Turn the viewer by keys, dragging, or its slider or button, and list its frames.

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
    with staying(browser):
        return _turned(browser, stage, frames, time.monotonic() + seconds)


def _turned(browser: Browser, stage: dict[str, Any], frames: int | None, until: float) -> FrameUrls:
    browser.seen()
    browser.await_("T.spinMeasureSheet()")
    pointer = Pointer(browser, stage)
    shown = [browser.run("return T.spinShown()")]
    if browser.run("return T.spinCell()") is not None:
        return _turn_sheet(browser, pointer, shown[0], until)
    if browser.run("return T.spinFocus()"):
        shown += _by_keys(browser, pointer, shown[0], until)
    dragged: list[str | None] = []
    if len(set(shown)) < MIN_FRAMES:
        dragged = _by_dragging(browser, pointer, until)
        shown += dragged
    if len(set(shown)) < MIN_FRAMES:
        shown += _by_control(browser, shown[-1], until)
    shown = [each for each in shown if each]
    asked = [seen.url for seen in browser.seen() if seen.is_image]
    order = whole_turn(shown)
    template = infer_template([*shown, *asked])
    if template is None:
        sense = "ccw" if dragged else None
        return FrameUrls(order or list(dict.fromkeys(shown)), order is not None, sense)
    sense = sense_of([each for each in dragged if each], template.urls())
    return FrameUrls(*_filled(template.urls(), shown, order is not None, frames), sense)


def sense_of(dragged: list[str], urls: list[str]) -> str | None:
    """Return ``ccw`` if dragging to the right showed `urls` in their order, else ``cw``.

    None if it showed too few of them.
    """
    places = [urls.index(each) for each in dict.fromkeys(dragged) if each in urls]
    steps = [(b - a) % len(urls) for a, b in pairwise(places)]
    forward = sum(0 < step < len(urls) / 2 for step in steps)
    if len(steps) < 2 or forward * 2 == len(steps):
        return None
    return "ccw" if forward * 2 > len(steps) else "cw"


def _turn_sheet(browser: Browser, pointer: Pointer, sheet: str | None, until: float) -> FrameUrls:
    """Note which parts of a sheet the viewer shows while it turns.

    A step may have passed over a part: if something of the sheet is left, it is turned once more,
    in smaller ones.
    """
    found, whole = _parts_shown(browser, pointer, STEPS_PER_DRAG, until)
    if len(found) >= MIN_FRAMES and not fill_the_sheet(found):
        finer, all_of_them = _parts_shown(browser, pointer, FINER * STEPS_PER_DRAG, until)
        if len(finer) > len(found):
            found, whole = finer, all_of_them
    if sheet is None or len(found) < MIN_FRAMES:
        return FrameUrls([], False)
    # Seen again from the start, or nothing of the sheet is left that could be shown.
    whole = whole or fill_the_sheet(found)
    ordered = sorted(found, key=lambda cell: (round(cell[1] / cell[3]), cell[0]))
    first, second = (ordered.index(each) for each in found[:2])
    forward = (second - first) % len(ordered) < len(ordered) / 2
    return FrameUrls([sheet], whole, "ccw" if forward else "cw", ordered)


def _parts_shown(
    browser: Browser, pointer: Pointer, per_drag: int, until: float
) -> tuple[list[_Cell], bool]:
    """Return the parts in the order of dragging, and whether the first came again."""
    cells: list[tuple[float, ...]] = []
    if start := browser.run("return T.spinCell()"):
        cells.append(tuple(start))
    whole = False
    for step in range(2 * MAX_FRAMES * per_drag // STEPS_PER_DRAG):
        if time.monotonic() > until or whole:
            break
        if step % per_drag == 0:
            pointer.release() if step else None
            pointer.press()
        pointer.move(1 / (per_drag + 1))
        cell = browser.await_("T.frame().then(() => T.spinCell())")
        place = _place_of(tuple(cell), cells) if cell else len(cells) - 1
        if place is None:
            cells.append(tuple(cell))
        elif place == 0 and len(cells) >= MIN_FRAMES:
            whole = True
    pointer.release()
    return on_grid([(each[0], each[1], each[2], each[3]) for each in cells]), whole


def on_grid(cells: list[_Cell]) -> list[_Cell]:
    """Drop what a viewer showed between two cells of a regular sheet."""

    def between(place: float, size: float) -> bool:
        return abs(place / size - round(place / size)) > 0.1

    kept = [each for each in cells if not (between(each[0], each[2]) or between(each[1], each[3]))]
    return kept if len(kept) > 0.8 * len(cells) else cells


def fill_the_sheet(cells: list[_Cell]) -> bool:
    """Return whether cells, in parts of the sheet's size, leave nothing of it over."""
    return abs(sum(width * height for _, _, width, height in cells) - 1) < 0.01


def _place_of(cell: tuple[float, ...], cells: list[tuple[float, ...]]) -> int | None:
    """Return which of the cells this is, up to a tenth of its size: browsers round to pixels."""
    for place, known in enumerate(cells):
        if abs(known[0] - cell[0]) < cell[2] / 10 and abs(known[1] - cell[1]) < cell[3] / 10:
            return place
    return None


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


def _by_control(browser: Browser, first: str | None, until: float) -> list[str | None]:
    shown: list[str | None] = []
    known, last, idle = {first}, first, 0
    steps = int(browser.run("return T.spinControl(arguments[0])", MAX_FRAMES))
    for place in range(steps):
        if time.monotonic() > until or idle == MOST_IDLE:
            break
        browser.run("T.spinStep(arguments[0])", place)
        now = _changed(browser, last, SETTLE_MS)
        idle = idle + 1 if now == last else 0
        if now == last:
            continue
        shown.append(now)
        if now in known and len(known) > MIN_FRAMES:
            break
        known.add(now)
        last = now
    return shown


def _changed(browser: Browser, last: str | None, patience: int) -> str | None:
    value = browser.await_(
        "T.waitFor(() => T.spinShown() !== given[0] && T.spinShown(), given[1])", last, patience
    )
    return value or last
