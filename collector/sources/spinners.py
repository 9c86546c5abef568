"""360° viewers as groups of frames: by configuration, by turning, or from a canvas."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from bodyshop_core.imaging import open_image
from collector.brands import Brand, Brands, Model
from collector.browser import Browser
from collector.browser.consent import ConsentAnswers, refuse_consent
from collector.browser.pointer import staying
from collector.candidate import Find, Task, UrlCandidate, digest
from collector.sources.source import OpenedPage, Tools
from collector.spin.canvas import capture_turn
from collector.spin.continuous import turn_continuously
from collector.spin.frames import MIN_FRAMES, angle
from collector.spin.model import turn_model
from collector.spin.preloaded import panorama_files, panorama_textures, preloaded_frames
from collector.spin.turntable import FrameUrls, turn_viewer

NAME = "spinner"
_READY_MS = 8000
_ARRIVING_S, _STILL_S = 10.0, 1.5
_TOUR = 0.7
"""Part of the time for following the links of a tour of panoramas."""

_SPARE = 2.0
"""Seconds that are left when a turn is given up."""


class SpinnerSource:
    """The viewers listed under ``spinners`` of a model."""

    needs_browser = True

    def __init__(self, brands: Brands) -> None:
        self._override = brands.sources.spinners.robots == "override"

    def tasks(self, brand: Brand, model: Model) -> Iterable[Task]:
        """One task per viewer page."""
        for spinner in model.spinners:
            label = spinner.label or model.label or brand.label
            options = (("kind", spinner.kind), ("frames", spinner.frames))
            yield Task(NAME, spinner.url, brand.name, model.name, label, options=options)

    def discover(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Yield the frames of each viewer on the page, one batch per viewer and axis."""
        for finds in self._finds(task, tools):
            files = [find for find in finds if find.data is None]
            self._let_arrive(files, tools.browser)
            tools.hold(tools.browser.responses() if files else (), files)
            yield finds
            turned = [find.candidate for find in finds if find.candidate.spin_group is not None]
            if turned and turned[0].frames is None and not tools.completeness.lacks:
                lack = f"{len(turned)} frames, but no complete turn was found"
                tools.completeness.lacks.append(lack)

    @staticmethod
    def _let_arrive(files: list[Find], browser: Browser) -> None:
        """Wait while the viewer loads its frames: they need not be requested again."""
        wanted = {find.candidate.url for find in files}
        until = time.monotonic() + min(_ARRIVING_S, browser.left)
        have, still = -1, time.monotonic()
        while wanted and have < len(wanted) and time.monotonic() < until:
            seen = {url for each in browser.responses() if each.complete for url in each.urls}
            if len(wanted & seen) > have or browser.arriving():
                have, still = len(wanted & seen), time.monotonic()
            elif time.monotonic() - still > _STILL_S:
                return
            time.sleep(0.1)

    def _finds(self, task: Task, tools: Tools) -> Iterator[list[Find]]:
        """Find the viewers of the page.

        Original files are preferred: those that the viewer is configured with, then those that the
        page has loaded; then the camera of a 3D model, and only then what a canvas shows.
        """
        page = tools.open_page(task.url, self._override)
        browser, kind = tools.browser, task.option("kind", "auto")
        answers = refuse_consent(browser, ConsentAnswers())
        if answers.given:
            page.permission["consent"] = answers.given
        known = "T.spinConfigs().length || T.spinStage('')"
        for step in (f"T.waitFor(() => {known}, given[0])", "T.quiet(given[0])"):
            browser.await_(step, min(_READY_MS, 1000 * browser.left))
        if kind == "auto" and (panorama := browser.await_("T.spinPanorama()")) is not None:
            yield self._panorama(task, page, tools, panorama)
            return
        if kind in {"auto", "config"}:
            found = browser.run("return T.spinConfigs()")
            # A template without a number of frames: the viewer has to be turned.
            frames = task.option("frames")
            configs = [each for each in found if each.get("amount", 1) or frames]
            places = {selector: n for n, selector in enumerate(_selectors(configs))}
            for config in configs:
                viewer = _Viewer(task, page, config["selector"], places[config["selector"]])
                yield from self._by_config(viewer, tools, config)
            if configs or kind == "config":
                return
        if kind == "auto" and (model := turn_model(browser)) is not None:
            viewer = _Viewer(task, page, model.selector, sense="ccw")
            yield self._captured(viewer, model.frames, "canvas", model.whole, page.url)
            if not model.whole:
                tools.completeness.lacks.append("the 3D model was not turned in the time")
            return
        if kind == "auto" and (files := preloaded_frames(browser)) is not None:
            yield self._frames(_Viewer(task, page, ""), files, "spin_loaded", True)
            return
        stage = browser.run("return T.spinStage(arguments[0])", "" if kind == "auto" else kind)
        if kind == "auto" and stage and stage["webgl"] and (files := panorama_textures(browser)):
            found = {"urls": files, "selector": stage["selector"]}
            yield self._panorama(task, page, tools, found)
            return
        if stage is None and kind == "auto":  # some viewers show their frames as a background
            stage = browser.run("return T.spinStage('drag')")
        if stage is None:
            return
        viewer = _Viewer(task, page, stage["selector"])
        if stage["kind"] == "canvas":
            with staying(browser):
                captured = self._by_canvas(viewer, tools, stage)
            yield captured
            return
        turned = turn_viewer(browser, stage, frames=task.option("frames"), seconds=browser.left)
        if turned.cells:
            yield self._by_cells(viewer, tools, turned)
        elif len(turned.urls) >= MIN_FRAMES:
            viewer = replace(viewer, sense=turned.sense)
            yield self._frames(viewer, turned.urls, "spin_turned", turned.whole)

    def _panorama(
        self, task: Task, page: OpenedPage, tools: Tools, found: dict[str, Any]
    ) -> list[Find]:
        """Return the files of a panorama: one picture from inside, not frames of a turn."""
        browser = tools.browser
        tour = browser.await_("T.spinTour(given[0])", _TOUR * browser.left)
        named = found["urls"]
        if tour["followed"] or not named:
            named = [*named, *panorama_files(browser)]
        urls = list(dict.fromkeys(named))
        if tour["left"]:
            tools.completeness.lacks.append("the tour leads on to panoramas that were not visited")
        if not urls:
            tools.completeness.lacks.append(
                "a panorama was found, but no file of it: it may consist of tiles"
            )
        return [
            Find(
                task.candidate(
                    (UrlCandidate("spin_panorama", url),),
                    page_url=page.url, selector=found["selector"], capture="panorama",
                    rank=rank, permission=page.permission, override=self._override,
                )
            )
            for rank, url in enumerate(urls, 1)
        ]  # fmt: skip

    def _by_config(
        self, viewer: _Viewer, tools: Tools, config: dict[str, Any]
    ) -> Iterator[list[Find]]:
        viewer = replace(viewer, sense=config.get("sense"), axis=config["axis"])
        lanes = config.get("lanes", 1)
        if config["kind"] == "sprite":
            data = tools.picture(config["url"], viewer.page.url, self._override)
            cells = cut_sprite(data, config["rows"], config["columns"], config["frames"])
            for lane, part in _lanes(cells, lanes):
                url = config["url"] + (f"#lane={lane}" if lane else "")
                yield self._captured(viewer.lane(lane), part, "sprite", True, url)
            return
        amount = config.get("amount") or viewer.task.option("frames") or 0
        urls = config.get("urls") or [
            config["folder"] + config["name"].replace("{index}", str(number).zfill(config["pad"]))
            for number in range(1, amount + 1)
        ]
        for lane, files in _lanes(urls, lanes):
            yield self._frames(viewer.lane(lane), files, "spin_config", True)

    def _by_canvas(self, viewer: _Viewer, tools: Tools, stage: dict[str, Any]) -> list[Find]:
        browser, url = tools.browser, viewer.page.url
        if stage["webgl"] and browser.await_("T.spinReadable(given[0])", _READY_MS):
            frames, whole = turn_continuously(browser, stage, seconds=browser.left - _SPARE)
            if whole:
                viewer = replace(viewer, sense="ccw")  # it was dragged to the right
                return self._captured(viewer, frames, "canvas", whole, url)
            if browser.left < 2 * _SPARE:
                tools.completeness.lacks.append("the canvas was not turned in the time")
                return self._captured(viewer, frames, "canvas", whole, url)
        captured = capture_turn(browser, stage, seconds=browser.left)
        files = preloaded_frames(browser)
        if files is not None and len(files) >= len(captured.frames):
            return self._frames(viewer, files, "spin_loaded", True)
        if len(captured.frames) < MIN_FRAMES:
            return []
        return self._captured(viewer, captured.frames, captured.capture, captured.whole, url)

    def _by_cells(self, viewer: _Viewer, tools: Tools, turned: FrameUrls) -> list[Find]:
        """Cut the cells of a sheet that the viewer moves behind a window."""
        sheet = turned.urls[0]
        data = tools.picture(sheet, viewer.page.url, self._override)
        viewer = replace(viewer, sense=turned.sense)
        cells = cut_cells(data, turned.cells)
        return self._captured(viewer, cells, "sprite", turned.whole, sheet)

    def _frames(
        self, viewer: _Viewer, urls: list[str], url_candidate: str, whole: bool
    ) -> list[Find]:
        count = len(urls) if whole else None
        return [
            Find(self._candidate(viewer, UrlCandidate(url_candidate, url), number, count))
            for number, url in enumerate(urls)
        ]

    def _captured(
        self, viewer: _Viewer, cells: list[bytes], capture: str, whole: bool, url: str
    ) -> list[Find]:
        count = len(cells) if whole else None
        finds = []
        for number, data in enumerate(cells):
            url_candidate = UrlCandidate(
                f"spin_{capture}", f"{url.partition('#')[0]}#frame={number}"
            )
            candidate = self._candidate(viewer, url_candidate, number, count)
            finds.append(Find(candidate, data).with_facts(capture=capture))
        return finds

    def _candidate(
        self, viewer: _Viewer, url_candidate: UrlCandidate, number: int, count: int | None
    ) -> Any:
        page = viewer.page
        return viewer.task.candidate(
            (url_candidate,),
            page_url=page.url,
            selector=viewer.selector,
            spin_group=digest(page.url.partition("#")[0], str(viewer.place), *viewer.part)[:16],
            frame=number,
            frames=count,
            # The second axis and other lanes look at the car from above, at no known angle.
            angle_deg=None if viewer.axis else angle(number, count),
            sense=viewer.sense,
            permission=page.permission,
            override=self._override,
        )


@dataclass(frozen=True)
class _Viewer:
    """A viewer: its page, its element, and its number among the viewers of the page.

    Parameters
    ----------
    axis : str
        Empty for the turn around the car; ``y`` for the other axis.
    row : int
        Lane of a viewer with several rows of frames.
    sense : str, optional
        ``ccw`` or ``cw``, seen from above, if it is known.
    """

    task: Task
    page: OpenedPage
    selector: str
    place: int = 0
    axis: str = ""
    row: int = 0
    sense: str | None = None

    @property
    def part(self) -> tuple[str, ...]:
        """What distinguishes this group of frames from others of the same viewer."""
        return (self.axis, str(self.row)) if self.axis or self.row else ()

    def lane(self, row: int) -> _Viewer:
        """Return the same viewer for another lane."""
        return replace(self, row=row)


def _selectors(configs: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(config["selector"] for config in configs))


T = TypeVar("T")


def _lanes(frames: list[T], lanes: int) -> Iterator[tuple[int, list[T]]]:
    """Yield (number, frames) of each lane; a viewer numbers lane after lane."""
    each = len(frames) // lanes
    for lane in range(lanes):
        yield lane, frames[lane * each : (lane + 1) * each]


def cut_sprite(data: bytes, rows: int, columns: int, frames: int) -> list[bytes]:
    """Cut a sprite sheet into its frames, row by row.

    Parameters
    ----------
    data : bytes
        The sheet.
    rows, columns : int
        Size of the grid.
    frames : int
        Cells in use.

    Returns
    -------
    list of bytes
        PNG files: the cut itself loses nothing.

    Raises
    ------
    UnreadableImageError
        The sheet is not a picture.
    """
    cells = []
    with open_image(data) as sheet:
        sheet.load()
        width, height = sheet.width // columns, sheet.height // rows
        for number in range(min(frames, rows * columns)):
            left, top = (number % columns) * width, (number // columns) * height
            out = io.BytesIO()
            sheet.crop((left, top, left + width, top + height)).convert("RGB").save(out, "PNG")
            cells.append(out.getvalue())
    return cells


def cut_cells(data: bytes, cells: list[tuple[float, float, float, float]]) -> list[bytes]:
    """Cut rectangles out of a picture.

    Parameters
    ----------
    data : bytes
        The picture.
    cells : list of (left, top, width, height)
        As parts of its width and height.

    Returns
    -------
    list of bytes
        PNG files.

    Raises
    ------
    UnreadableImageError
        It is not a picture.
    """
    found = []
    with open_image(data) as sheet:
        sheet.load()
        for left, top, width, height in cells:
            box = (
                round(left * sheet.width), round(top * sheet.height),
                round((left + width) * sheet.width), round((top + height) * sheet.height),
            )  # fmt: skip
            out = io.BytesIO()
            sheet.crop(box).convert("RGB").save(out, "PNG")
            found.append(out.getvalue())
    return found
