"""360° viewers as groups of frames: by configuration, by turning, or from a canvas."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bodyshop_core.imaging import open_image
from collector.brands import Brand, Brands, Model
from collector.browser.consent import ConsentAnswers, refuse_consent
from collector.candidate import Find, Task, UrlCandidate, digest
from collector.sources.source import OpenedPage, Tools
from collector.spin.canvas import capture_turn
from collector.spin.frames import MIN_FRAMES, angle
from collector.spin.turntable import turn_viewer

NAME = "spinner"
_READY_MS = 8000


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
        """Yield the frames of each viewer on the page, one batch per viewer."""
        page = tools.open_page(task.url, self._override)
        browser, kind = tools.browser, task.option("kind", "auto")
        answers = refuse_consent(browser, ConsentAnswers())
        if answers.given:
            page.permission["consent"] = answers.given
        known = "T.spinConfigs().length || T.spinStage('')"
        for step in (f"T.waitFor(() => {known}, given[0])", "T.quiet(given[0])"):
            browser.await_(step, min(_READY_MS, 1000 * browser.left))
        if kind in {"auto", "config"}:
            found = browser.run("return T.spinConfigs()")
            # A template without a number of frames: the viewer has to be turned.
            frames = task.option("frames")
            configs = [each for each in found if each.get("amount", 1) or frames]
            for place, config in enumerate(configs):
                yield self._by_config(_Viewer(task, page, config["selector"], place), tools, config)
            if configs or kind == "config":
                return
        stage = browser.run("return T.spinStage(arguments[0])", "" if kind == "auto" else kind)
        if stage is None:
            return
        viewer = _Viewer(task, page, stage["selector"])
        if stage["kind"] == "canvas":
            yield self._by_canvas(viewer, tools, stage)
            return
        turned = turn_viewer(browser, stage, frames=task.option("frames"), seconds=browser.left)
        if len(turned.urls) >= MIN_FRAMES:
            yield self._frames(viewer, turned.urls, "spin_turned", turned.whole)

    def _by_config(self, viewer: _Viewer, tools: Tools, config: dict[str, Any]) -> list[Find]:
        if config["kind"] == "list":
            return self._frames(viewer, config["urls"], "spin_config", True)
        if config["kind"] == "sprite":
            data = tools.picture(config["url"], viewer.page.url, self._override)
            cells = cut_sprite(data, config["rows"], config["columns"], config["frames"])
            return self._captured(viewer, cells, "sprite", True, config["url"])
        amount = config["amount"] or viewer.task.option("frames") or 0
        urls = [
            config["folder"] + config["name"].replace("{index}", str(number).zfill(config["pad"]))
            for number in range(1, amount + 1)
        ]
        return self._frames(viewer, urls, "spin_config", True)

    def _by_canvas(self, viewer: _Viewer, tools: Tools, stage: dict[str, Any]) -> list[Find]:
        captured = capture_turn(tools.browser, stage, seconds=tools.browser.left)
        if len(captured.frames) < MIN_FRAMES:
            return []
        url = viewer.page.url
        return self._captured(viewer, captured.frames, captured.capture, captured.whole, url)

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
            spin_group=digest(page.url.partition("#")[0], str(viewer.place))[:16],
            frame=number,
            frames=count,
            angle_deg=angle(number, count),
            permission=page.permission,
            override=self._override,
        )


@dataclass(frozen=True)
class _Viewer:
    """A viewer: its page, its element, and its number among the viewers of the page."""

    task: Task
    page: OpenedPage
    selector: str
    place: int = 0


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
