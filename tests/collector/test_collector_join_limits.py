"""``limits.per_model`` and bytes in memory, of several collectors on a real PostgreSQL."""

from __future__ import annotations

import base64

import pytest
from joining_processes import brands_file, check_nothing_is_left, collectors, summary_of
from picture_server import picture

import collector
from bodyshop_core.workspace import Workspace
from collector.crawl import downloads
from collector.crawl.held_pictures import HeldPictures

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]


def page_of_own(server, name: str, numbers: range) -> dict[str, str]:
    """Serve a page whose pictures are in the page itself."""
    drawn = (base64.b64encode(picture(n, (400, 300))).decode() for n in numbers)
    html = "".join(f"<p><img src=data:image/jpeg;base64,{each}></p>" for each in drawn)
    return {"url": server.add(name, html.encode(), "text/html")}


def test_pictures_in_pages_count_for_the_limit_of_all_collectors(server, shared, tmp_path):
    pages = [page_of_own(server, f"/own{n}", range(100 * n, 100 * n + 5)) for n in range(4)]
    models = [{"name": "Fjell", "pages": pages}]
    with collectors(brands_file(tmp_path, models, per_model=7), shared, shared) as running:
        first, second = map(summary_of, running)
    assert first["downloaded"] == second["downloaded"] == 7
    assert first["pages"] == {"done": 1, "partial": 3}
    brands = brands_file(tmp_path, models, per_model=18)
    summary = collector.collect(
        collector.load_brands(brands), Workspace.open(shared), join=True, retry_failed="partial"
    )
    assert (summary.downloaded, summary.pages) == (18, {"done": 3, "partial": 1})
    check_nothing_is_left(shared)


def test_a_further_sighting_takes_no_place_of_all_collectors(server, shared, tmp_path):
    pages = [page_of_own(server, "/a", range(4)), page_of_own(server, "/b", range(6))]
    brands = brands_file(tmp_path, [{"name": "Fjell", "pages": pages}], per_model=6)
    summary = collector.collect(
        collector.load_brands(brands), Workspace.open(shared), join=True, browsers=1
    )
    assert (summary.downloaded, summary.pages) == (6, {"done": 2})
    check_nothing_is_left(shared)


def test_bytes_of_what_is_not_leased_here_are_let_go(server, shared, tmp_path, monkeypatch):
    kept: list[HeldPictures] = []

    class Watched(HeldPictures):
        def __init__(self) -> None:
            super().__init__()
            kept.append(self)

    monkeypatch.setattr(downloads, "HeldPictures", Watched)
    html = "".join(f"<p><img src={url} width=300></p>" for url in server.add_pictures(6))
    pages = [{"url": server.add(f"/page{n}", html.encode(), "text/html")} for n in range(3)]
    brands = brands_file(tmp_path, [{"name": "Fjell", "pages": pages}])
    loaded, workspace = collector.load_brands(brands), Workspace.open(shared)
    assert collector.collect(loaded, workspace, join=True, browsers=1).downloaded == 6
    assert [each._held for each in kept] == [{}]
