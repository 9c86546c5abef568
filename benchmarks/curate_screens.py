"""Photograph the report for docs/curate.md: its first page and the page of duplicate clusters.

    python -m benchmarks.curate_screens docs/images

The pictures are the embedded showroom's, with the labels that its brand and search pages give them;
verdicts and pages are the product's own, and real Chromium opens them from disk.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

import curate
from benchmarks.curate_report import chromium
from bodyshop_core.catalog import add_labels, now, register_image, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import read_header
from bodyshop_core.workspace import Workspace
from showroom import build_showroom
from showroom.truth import Picture

SCREENS: Mapping[str, tuple[str, tuple[int, int]]] = {
    "curate-report.jpg": ("index.html", (1000, 1210)),
    "curate-clusters.jpg": ("clusters-1.html", (860, 760)),
}
"""File -> page of the report, and the size of the window."""

LOADED = """
const seen = [...document.images].filter(i => i.getBoundingClientRect().top < innerHeight);
const done = arguments[0];
Promise.all(seen.map(i => i.decode().catch(() => null))).then(() => done());
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        showroom, workspace = Path(folder) / "pictures", Workspace.open(Path(folder) / "showroom")
        for picture in build_showroom(showroom, size="tiny").pictures:
            add(workspace, picture, (showroom / picture.file).read_bytes())
        curate.curate(workspace, target="damage")
        for file, (page, size) in SCREENS.items():
            screen = photographed(workspace.reports / "curate" / page, size)
            screen.save(chosen.out / file, "JPEG", quality=82, optimize=True)


def add(workspace: Workspace, picture: Picture, data: bytes) -> None:
    """Register a picture as collecting it would, with its place and the label of its query."""
    extension = Path(picture.file).suffix.removeprefix(".")
    blob = workspace.blobs.put_bytes(data, extension)
    try:
        facts = read_header(data)
    except UnreadableImageError:
        facts = {}
    row = {column.name: None for column in schema.sightings.columns} | {
        "key": picture.id,
        "sha256": blob.sha256,
        "source": "search:showroom" if picture.place == "search" else "pages",
        "page_url": f"https://showroom.example/{picture.place}/{picture.id}",
        "spin_group": picture.spin_group,
        "frame": picture.frame,
        "fetched_at": now(),
        "tool_version": "docs",
    }
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts=facts)
        workspace.catalog.upsert(schema.sightings, [row], connection=connection)
        if picture.damage and picture.place == "search":  # brand pages carry no such label
            label = (blob.sha256, "damage", picture.damage, "query", "")
            add_labels(workspace.catalog, [label], connection=connection)


def photographed(page: Path, size: tuple[int, int]) -> Image.Image:
    """Open a page from disk and return what is on the screen."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    with chromium() as browser:
        if browser is None:
            sys.exit("Chromium and its driver are not installed")
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        browser.get(page.as_uri())
        browser.execute_async_script(LOADED)
        return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


if __name__ == "__main__":
    main()
