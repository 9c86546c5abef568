"""Seconds of a labeler at a real Chromium: open a picture, paint a region, submit.

    python -m benchmarks.labeler
    python -m benchmarks.labeler --running WORKSPACE --megapixels 30 --masks 8
    python -m benchmarks.labeler --original

Starts Label Studio in a temporary workspace, or uses the one of --running WORKSPACE, whose server
must be up. Synthetic photos are pushed as `bodyshop label push` does: large ones are shown at their
working size, with --original in full size. For each photo the labeler

- opens the page of *Label All Tasks* by its address, with the browser's cache warm (open),
- answers question 1 and paints a dent of 16 mouse moves of 20 ms (paint: from the first move until
  the list of regions has it),
- presses *Submit*, until the server has stored the annotation (submit) and until the next photo can
  be painted on (next).

Medians of wall seconds; processor seconds per photo are those of the browser and of the server.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

import labeling
from benchmarks.labeling import running_server
from benchmarks.large_pictures import SIZES, synthetic_photo
from bodyshop_core.workspace import Workspace
from labeling import CatalogPicture, Connection, PreAnnotation, Selection
from labeling.records.pictures import load_pictures
from labeling.records.shown import ShownSize
from labeling.server.client import LabelStudioClient
from labeling.sync.project import open_project
from labeling.sync.push import push

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from labeling_browser import Labeler, browser
from labeling_pictures import add_picture

HEADS = (
    "megapixels", "shown", "masks shown", "open, s", "paint, s", "submit, s", "next, s",
    "browser, CPU s", "server, CPU s", "load",
)  # fmt: skip
READY = """
    const image = document.querySelector('img[alt=image]');
    const stage = document.querySelector('.konvajs-content');
    const chosen = [...document.querySelectorAll('label')].find(
        e => e.innerText.startsWith('damaged'));
    const ready = image && image.complete && image.naturalWidth > 0 && image.src !== arguments[0]
        && stage && stage.clientWidth > 50 && chosen
        && window.Htx.annotationStore.selected.regions.length >= arguments[1];
    return ready ? image.src : null;
"""
CHOOSE = """
    [...document.querySelectorAll('label')].find(e => e.innerText.startsWith('damaged')).click();
"""
REGIONS = "return window.Htx.annotationStore.selected.regions.length"
STORED = """
    return performance.getEntriesByType('resource').some(
        e => /tasks[/][0-9]+[/]annotations/.test(e.name));
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--running", type=Path, help="workspace whose server is running")
    parser.add_argument("--megapixels", type=int, nargs="+", default=[1, 12, 30])
    parser.add_argument("--masks", type=int, nargs="+", default=[0, 8], help="shown on each page")
    parser.add_argument("--photos", type=int, default=5, help="of each size")
    parser.add_argument("--original", action="store_true", help="show photos in full size")
    options = parser.parse_args()
    if options.original:
        # What a labeler would see if there were no working size.
        full = classmethod(lambda cls, width, height: cls(width, height))
        ShownSize.of = full  # type: ignore[method-assign, assignment]
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    with running_server(options.running) as connection:
        for width, height in SIZES:
            if round(width * height / 1e6) not in options.megapixels:
                continue
            for masks in options.masks:
                row = measure(connection, width, height, photos=options.photos, masks=masks)
                print(f"| {' | '.join(row)} |", flush=True)


def measure(
    connection: Connection, width: int, height: int, *, photos: int, masks: int
) -> list[str]:
    """Return one row of the table.

    Parameters
    ----------
    connection : Connection
        To a server that reads this disk.
    width, height : int
        Of the photos, in pixels.
    photos : int
        How many are labelled after a first one that fills the browser's cache.
    masks : int
        Brush masks that each page shows.
    """
    assert connection.document_root is not None
    with tempfile.TemporaryDirectory(dir=connection.document_root) as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        for seed in range(photos + 2):
            add_picture(workspace, synthetic_photo(width, height, seed))
        client = LabelStudioClient(connection)
        labeling.init(workspace, connection=client)
        proposed: dict[str, Any] = {}
        if masks:
            proposed = {"predict": partial(_propose, count=masks), "model_version": "bench"}
        push(workspace, selection=Selection(everything=True), connection=client, **proposed)
        number = open_project(workspace, "damage", client).remote_id
        (picture, *_) = load_pictures(workspace)
        shown = ShownSize.of(picture.width, picture.height).size
        account = json.loads(
            (connection.document_root / "labelstudio" / "account.json").read_text()
        )
        page = f"{connection.url}/projects/{number}/data?labeling=1"
        with browser(Path(folder) / "profile", width=1280, height=943) as labeler:
            labeler.log_in(connection.url, account["user"], account["password"])
            _label(labeler, page, masks)
            used = _processor_seconds(labeler, connection)
            times = np.array([_label(labeler, page, masks) for _ in range(photos)])
            used = (_processor_seconds(labeler, connection) - used) / photos
        client.close()
    figures = [f"{value:.2f}" for value in (*np.median(times, axis=0), *used)]
    size = f"{shown[0]} x {shown[1]}"
    megapixels = f"{width * height / 1e6:.0f}"
    return [megapixels, size, str(masks), *figures, f"{psutil.getloadavg()[0]:.1f}"]


def _label(labeler: Labeler, page: str, masks: int) -> list[float]:
    """Label one photo; return the seconds of opening, painting, submitting and the next photo."""
    window = labeler.window
    started = time.perf_counter()
    window.get(page)
    image = _until(lambda: window.execute_script(READY, "", masks))
    opened = time.perf_counter() - started
    window.execute_script(CHOOSE)
    labeler.press("1")
    started = time.perf_counter()
    _paint(labeler)
    _until(lambda: window.execute_script(REGIONS) > masks)
    painted = time.perf_counter() - started
    window.execute_script("performance.clearResourceTimings()")
    started = time.perf_counter()
    labeler.press_submit()
    _until(lambda: window.execute_script(STORED))
    stored = time.perf_counter() - started
    _until(lambda: window.execute_script(READY, image, masks))
    return [opened, painted, stored, time.perf_counter() - started]


def _paint(labeler: Labeler) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(labeler.window, duration=20)
    chain.move_to_element_with_offset(labeler.picture(), -80, 40).click_and_hold()
    for _ in range(16):
        chain.move_by_offset(10, 0)
    chain.release().perform()


def _until(true: Callable[[], Any], limit_s: float = 120.0) -> Any:
    end = time.perf_counter() + limit_s
    while not (found := true()):
        if time.perf_counter() > end:
            raise TimeoutError("the page did not get there")
        time.sleep(0.02)
    return found


def _propose(pictures: Sequence[CatalogPicture], count: int) -> Iterator[PreAnnotation]:
    """Propose disks, spread over the picture, as one mask per class."""
    classes = ("dent", "scratch", "crack", "broken_glass", "broken_lamp", "flat_tyre",
               "missing_part", "damage")  # fmt: skip
    for picture in pictures:
        rows, columns = np.ogrid[: picture.height, : picture.width]
        radius = picture.height / 12
        masks = {}
        for number, label in enumerate(classes[:count]):
            y = picture.height * (0.25 if number % 2 else 0.75)
            x = picture.width * (number + 0.5) / count
            masks[label] = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        yield PreAnnotation(picture.sha256, masks, {"state": "damaged"}, 0.8)


def _processor_seconds(labeler: Labeler, connection: Connection) -> np.ndarray[Any, Any]:
    """Return what browser and server have used so far."""
    port = str(urlsplit(connection.url).port)
    driver = psutil.Process(labeler.window.service.process.pid)
    servers = [
        each
        for each in psutil.process_iter(["cmdline"])
        if "label-studio" in " ".join(each.info["cmdline"] or ()) and port in each.info["cmdline"]
    ]
    return np.array([_used([driver, *driver.children(recursive=True)]), _used(servers)])


def _used(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


if __name__ == "__main__":
    main()
