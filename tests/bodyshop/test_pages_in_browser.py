"""Pages that are sent to others: what axe-core finds, at a desk and on a telephone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from axe import serious_violations
from desk_browser import chromium

from bodyshop.export import export
from bodyshop.inspection.page import write_report
from bodyshop.inspection.records import (
    InspectedPair,
    InspectionSummary,
    NewDamage,
    PictureAnswer,
    UnreadablePicture,
)
from bodyshop.versions import diff
from bodyshop_core.catalog import add_labels
from bodyshop_core.snapshots import save_snapshot
from bodyshop_core.workspace import Workspace


@pytest.fixture
def pages(curated: tuple[Workspace, list[str]], tmp_path: Path) -> list[Path]:
    workspace, names = curated
    save_snapshot(workspace, "before", "")
    add_labels(workspace.catalog, [(names[0], "damage", "whole", "human", "me")])
    export(workspace, "croissant", tmp_path / "shared")
    page = diff(workspace, "before", page=True).page
    assert page is not None
    return [page, tmp_path / "shared" / "datacard.html", _inspection(tmp_path / "car")]


def _inspection(folder: Path) -> Path:
    """The page of two inspections, with names as long as file systems and labelers allow."""
    name = "x" * 180 + ".jpg"
    answer = PictureAnswer(name, True, "damaged", 0.9)
    news = NewDamage((0.1, 0.1, 0.5, 0.5), (0.1, 0.2, 0.5, 0.6), 0.9, "길" * 200)
    summary = InspectionSummary(
        run="r" * 80,
        segmenter="s" * 80,
        pairs=(InspectedPair(answer, answer, 0.9, 50, (news,)),),
        unpaired_before=(),
        unpaired_after=(),
        unreadable=(UnreadablePicture(name, f"{name} can't be decoded"),),
        page=folder / "inspection.html",
        file=folder / "inspection.json",
    )
    grey = np.full((240, 320, 3), 90, np.uint8)
    write_report(summary, [(grey, grey)], [])
    return folder / "inspection.html"


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    pages: list[Path], width: int
) -> None:
    with chromium() as browser:
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        for page in pages:
            browser.get(page.as_uri())
            assert not serious_violations(browser), page.name
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= width, page.name
