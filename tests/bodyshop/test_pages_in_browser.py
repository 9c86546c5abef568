"""Pages that are sent to others: what axe-core finds, at a desk and on a telephone."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe import serious_violations
from desk_browser import chromium

from bodyshop.export import export
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
    return [page, tmp_path / "shared" / "datacard.html"]


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
