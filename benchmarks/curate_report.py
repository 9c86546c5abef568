"""How the verdicts, the splits, the audit and the report hold up at 50,000 pictures.

    python benchmarks/curate_report.py [--pictures 50000] [--keep FOLDER] > report.json

The pictures are a few dozen rendered cars, each stored thousands of times under another sha256 (a
comment in the JPEG differs). Measurements and gate scores are made up, with hashes far apart,
duplicates, blurred and strange pictures among them; everything after them is the real code, and
the pages are opened from disk in real Chromium.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import curate
from bodyshop_core.catalog import Blob, add_labels, now, register_image, schema
from bodyshop_core.workspace import Workspace
from curate.measure.picture import measure_picture
from curate.measure.stage import VERSION
from showroom import build_showroom

SLICE = 5000
"""Pictures per transaction."""

PATIENCE_S = 10
"""Seconds after which a picture that is not drawn counts as missing."""

DRAWN = """
const [patience, done] = arguments, began = performance.now();
const onScreen = image => {
  const place = image.getBoundingClientRect();
  return place.height > 0 && place.bottom > 0 && place.top < innerHeight;
};
document.images[0]?.scrollIntoView();
(function look() {
  const seen = [...document.images].filter(onScreen);
  const drawn = seen.filter(image => image.complete && image.naturalWidth);
  const over = performance.now() - began > patience * 1000;
  if (!over && (!seen.length || drawn.length < seen.length)) return setTimeout(look, 20);
  const entry = performance.getEntriesByType('navigation')[0];
  done({load_ms: Math.round(entry.loadEventEnd), drawn_ms: Math.round(performance.now()),
        nodes: document.all.length, pictures: document.images.length,
        on_screen: seen.length, drawn: drawn.length});
})();
"""

Answer = TypeVar("Answer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--keep", type=Path, help="leave the workspace here")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = chosen.keep or Path(folder)
        bases = rendered(root / "showroom")
        workspace = Workspace.open(root / "workspace")
        fill(workspace, bases, chosen.pictures)
        print(json.dumps({**stages(workspace), **browsed(workspace)}, indent=1))


def rendered(folder: Path) -> list[bytes]:
    """Render the few pictures that all others are copies of."""
    truth = build_showroom(folder, size="tiny")
    files = [folder / picture.file for picture in truth.originals()]
    return [file.read_bytes() for file in files if file.suffix == ".jpg"]


def fill(workspace: Workspace, bases: Sequence[bytes], count: int) -> None:
    """Register `count` pictures with measurements, gate scores, labels and where they came from."""
    random = np.random.default_rng(7)
    gate = curate.open_gate(workspace)
    facts = [measure_picture(data) for data in bases]
    for start in range(0, count, SLICE):
        rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("sightings", "measurements", "gate_scores")
        }
        labels = []
        with workspace.catalog.begin() as connection:
            earlier: dict[str, Any] | None = None
            for number in range(start, min(count, start + SLICE)):
                again = number % 25 == 24 and earlier is not None  # the same pixels, saved again
                base = (number - again) % len(bases)
                data = commented(bases[base], f"picture {number}")
                blob = stored(workspace, data)
                measured = {**facts[base], **invented(random)}
                if again and earlier is not None:
                    measured = {**earlier, "sharpness": measured["sharpness"]}
                earlier = measured
                size = {name: measured[name] for name in ("width", "height")}
                register_image(
                    connection,
                    blob,
                    extension="jpg",
                    facts={**size, "format": "JPEG", "mode": "RGB", "exif_orientation": 1},
                )
                rows["sightings"].append(sighting(blob.sha256, number))
                rows["measurements"].append({**measured, "sha256": blob.sha256, "version": VERSION})
                rows["gate_scores"].append(
                    {
                        "sha256": blob.sha256,
                        "gate": gate.id,
                        "p_car": float(random.beta(0.3, 3) if number % 10 == 0 else 0.97),
                        "framing": "part" if number % 3 == 0 else "full",
                        "top5": [["sports car", 0.71], ["grille", 0.11], ["convertible", 0.05]],
                        "error": None,
                    }
                )
                label = "damaged" if random.random() < 0.5 else "whole"
                labels.append((blob.sha256, "damage", label, "import", ""))
            for name, part in rows.items():
                workspace.catalog.upsert(schema.metadata.tables[name], part, connection=connection)
            add_labels(workspace.catalog, labels, connection=connection)


def commented(data: bytes, text: str) -> bytes:
    """Return a JPEG with a comment after its first marker: other bytes, the same pixels."""
    comment = text.encode()
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def stored(workspace: Workspace, data: bytes) -> Blob:
    """Put bytes where the blob store keeps them, without its fsync: there are many."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = workspace.blobs.path(sha256, "jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Blob(sha256, path, len(data), True)


def invented(random: np.random.Generator) -> dict[str, Any]:
    """Return hashes unlike all others', and a sharpness that is too low for one in twenty."""
    width = int(random.integers(200, 1600))
    return {
        "phash": random.bytes(8).hex(),
        "phash_mirror": random.bytes(8).hex(),
        "phash256": random.bytes(32).hex(),
        "dhash": random.bytes(8).hex(),
        "inner": "",  # that of the picture it is made of would make pairs to compare of all
        "pixel_digest": random.bytes(32).hex(),
        "width": width,
        "height": round(width / 1.5),
        "sharpness": float(random.uniform(0.1, 0.4) if random.random() < 0.05 else 0.7),
        "jpeg_quality": int(random.integers(60, 96)),
    }


def sighting(sha256: str, number: int) -> dict[str, Any]:
    row = {column.name: None for column in schema.sightings.columns}
    url = f"https://pictures.example/{number}"
    return {
        **row,
        "key": hashlib.sha256(url.encode()).hexdigest(),
        "sha256": sha256,
        "source": "pages",
        "final_url": f"{url}.jpg",
        "page_url": url,
        "page_title": f"Car {number}",
        "fetched_at": now(),
        "tool_version": "benchmark",
    }


def stages(workspace: Workspace) -> dict[str, Any]:
    """Time what comes after measuring and scoring."""
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Answer]) -> Answer:
        started = time.perf_counter()
        answer = work()
        seconds[name] = round(time.perf_counter() - started, 1)
        return answer

    judged = timed("judge", lambda: curate.judge(workspace))
    sharper = curate.Policy.model_validate({"quality": {"min_sharpness": 0.3}})
    timed("judge again with another threshold", lambda: curate.judge(workspace, policy=sharper))
    curate.judge(workspace)
    splits = timed("split and check for leaks", lambda: curate.split(workspace))
    timed("audit", lambda: curate.audit_shortcuts(workspace, split_set=splits.split_set))
    timed("report, thumbnails included", lambda: curate.write_report(workspace))
    timed("report again, nothing changed", lambda: curate.write_report(workspace))
    curate.judge(workspace, policy=sharper)
    timed("report again, verdicts changed", lambda: curate.write_report(workspace, policy=sharper))
    folder = workspace.reports / "curate"
    pages = {page.name: page.stat().st_size for page in folder.glob("*.html")}
    thumbnails = [path.stat().st_size for path in (folder / "thumbnails").rglob("*.jpg")]
    return {
        "pictures": judged.pictures,
        "reasons": judged.reasons,
        "clusters": judged.clusters,
        "seconds": seconds,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "pages": len(pages),
        "pages_mb": round(sum(pages.values()) / 2**20, 1),
        "largest_page_kb": round(max(pages.values()) / 1024, 1),
        "index_kb": round(pages["index.html"] / 1024, 1),
        "thumbnails": len(thumbnails),
        "thumbnails_mb": round(sum(thumbnails) / 2**20, 1),
    }


def browsed(workspace: Workspace) -> dict[str, Any]:
    """Open the first page, then the first and the last of each gallery, as a person would."""
    folder = workspace.reports / "curate"
    with chromium() as browser:
        if browser is None:
            return {"browser": "Chromium and its driver are not installed"}
        opened = [visited(browser, (folder / "index.html").as_uri())]
        for link in links(browser, "header a")[1:]:
            opened.append(visited(browser, link))
            pager = links(browser, ".pager a")
            if pager:
                opened.append(visited(browser, pager[-1]))
        return {
            "browser": browser.capabilities["browserVersion"],
            "opened": opened,
            "slowest_load_ms": max(page["load_ms"] for page in opened),
            "slowest_drawn_ms": max(page["drawn_ms"] for page in opened),
        }


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a headless browser, or None where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        yield None
        return
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    options.add_argument("--window-size=1280,900")
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def visited(browser: Any, address: str) -> dict[str, Any]:
    """Load a page, wait for the first pictures of it, and say how long both took.

    The browser loads pictures lazily, also those in view: its load event comes before them.
    """
    browser.get(address)
    found = browser.execute_async_script(DRAWN, PATIENCE_S)
    name = re.sub(r".*/", "", address)
    return {"page": name, **found}


def links(browser: Any, selector: str) -> list[str]:
    return [
        str(one.get_attribute("href")) for one in browser.find_elements("css selector", selector)
    ]


if __name__ == "__main__":
    main()
