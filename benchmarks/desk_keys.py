"""The desk in Chromium with many pictures: ``python -m benchmarks.desk_keys --pictures 100000``.

Rows and places on the map are synthetic, and there are no picture files. A script presses ``k``,
waits until the page has written it and shows the next picture, and presses again; the map is
repainted with a line of 200 corners over it. Prints decisions per minute, and milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from selenium.webdriver import Chrome, ChromeOptions

import curate
from benchmarks.desk_rows import fill
from bodyshop.desk.serving import serve_desk
from bodyshop_core.workspace import Workspace
from collector.browser.driver import find_browser

NEXT = """
const done = arguments[0], started = performance.now(), before = current;
document.getElementById("said").textContent = "";
scroller.dispatchEvent(new KeyboardEvent("keydown", { key: "k", bubbles: true }));
const there = () => current > before && row(current);
const wait = () => there() ? done(performance.now() - started) : setTimeout(wait, 1);
wait();
"""
PAGE = """
const done = arguments[1], started = performance.now();
show(new URLSearchParams(arguments[0] ? { sort: "p_car" } : {}))
  .then(() => done(performance.now() - started));
"""
PAINT = """
const round = (step) => [300 + 200 * Math.cos(step / 32), 200 + 150 * Math.sin(step / 32)];
line = Array.from({ length: 200 }, (_, step) => round(step));
const times = [], drawn_out = () => cloud.getContext("2d").getImageData(0, 0, 1, 1);
for (let turn = 0; turn < 20; turn++) {
  const started = performance.now(); paint(); drawn_out(); times.push(performance.now() - started);
}
const began = performance.now(); fit(); paint(); drawn_out();
return [times, performance.now() - began, colours.length];
"""


def main() -> None:
    """Fill, serve, press, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        fill(workspace, given.pictures)
        curate.picture_places = _places  # type: ignore[assignment]
        with serve_desk(workspace, by="benchmark") as desk, _chromium() as browser:
            browser.get(desk.address)
            while not browser.execute_script("return document.body.dataset.ready"):
                time.sleep(0.1)
            pages = [browser.execute_async_script(PAGE, turn % 2) for turn in range(10)]
            began = time.perf_counter()
            acted = [browser.execute_async_script(NEXT) for _ in range(given.decisions)]
            minutes = (time.perf_counter() - began) / 60
            browser.execute_script("openMap()")
            while not browser.execute_script("return colours.length"):
                time.sleep(0.1)
            painted, laid, points = browser.execute_script(PAINT)
        print(f"{given.pictures:,} pictures, {points:,} points on the map")
        print(f"decisions per minute by keyboard: {given.decisions / minutes:.0f}")
        _line("a decision until the next picture is there", acted)
        _line("a page of 200 in the browser", pages)
        _line("a repaint of the map", painted)
        _line("the map drawn anew", [laid])


def _chromium() -> Chrome:
    options = ChromeOptions()
    options.binary_location = str(find_browser().browser)
    for flag in ("--headless=new", "--no-sandbox", "--window-size=1280,800"):
        options.add_argument(flag)
    browser = Chrome(options=options)
    browser.set_script_timeout(120)
    return browser


def _places(workspace: Workspace) -> dict[str, tuple[float, float]]:
    from bodyshop_core.catalog import all_images

    names = sorted(all_images(workspace.catalog))
    xy = np.random.default_rng(7).normal(size=(len(names), 2))
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, xy, strict=True)}


def _line(what: str, milliseconds: list[float]) -> None:
    print(
        f"{what}: median {statistics.median(milliseconds):.0f} ms, worst {max(milliseconds):.0f} ms"
    )


if __name__ == "__main__":
    main()
