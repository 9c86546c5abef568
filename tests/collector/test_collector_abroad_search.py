"""Searches through `collect`, in real Chromium, on pages with the manners of the real ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from abroad import AbroadSite
from abroad.searches import RESULTS, SEARCHES
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from collector.sources.recipe import load_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]


def plan(
    folder: Path, site: AbroadSite, names: list[str], *, queries: int = 1, page_ms: int = 20_000
) -> Path:
    """Write brands.yaml and the shipped recipes, with the address of the replica."""
    for name in names:
        recipe = load_recipe(name.partition("-")[0]).model_dump(mode="json")
        recipe |= {
            "name": name, "url": f"http://{site.host}/search/{name}.html?q={{query}}",
            "page_ms": page_ms, "thumbnail_urls": [*recipe["thumbnail_urls"], "/thumb/"],
        }  # fmt: skip
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    models = [
        {"name": f"M{n}", "queries": [{"text": f"sonata {n}", "label": "whole"}]}
        for n in range(queries)
    ]
    text = {
        "version": 1, "contact": "test@example.org", "allow_hosts": [site.host],
        "recipes": [f"{name}.yaml" for name in names],
        "limits": {"per_host_interval": 0, "min_side": 100, "behaviour_seconds": 60},
        "sources": {"search": {"engines": names, "robots": "override"}},
        "brands": [{"name": "Abroad", "models": models}],
    }  # fmt: skip
    (folder / "brands.yaml").write_text(yaml.safe_dump(text), "utf-8")
    return folder / "brands.yaml"


def test_every_search_brings_every_original_and_no_preview(tmp_path: Path) -> None:
    """One that trusts only the pointer, one that appends its panels, and one with two layouts."""
    names = [name for name in SEARCHES if name != "google-shell"]
    with AbroadSite(tmp_path) as site:
        file = plan(tmp_path, site, names)
        workspace = Workspace.open(tmp_path / "workspace")
        summary = collector.collect(collector.load_brands(file), workspace)
        assert summary.partial == ()
    seen, images = schema.sightings, schema.images
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(seen, images.c.width).join(images)).all()
    originals = {f"http://{site.host}/pics/{n}.jpg" for n in range(RESULTS)}
    assert {row.width for row in rows} == {1200}
    assert Counter(row.source for row in rows) == {f"search:{name}": RESULTS for name in names}
    for name in names:
        own = [row for row in rows if row.source == f"search:{name}"]
        assert {row.url for row in own} == originals
        if name != "naver":  # whose list does not name the page of a result
            pages = {row.url[-5]: row.page_url for row in own}
            assert pages == {str(n): f"http://{site.host}/from/{n}" for n in range(RESULTS)}


def test_a_shell_that_leads_to_a_challenge_stops_the_host_and_says_so(tmp_path: Path) -> None:
    with AbroadSite(tmp_path) as site:
        file = plan(tmp_path, site, ["google-shell"], queries=3, page_ms=1000)
        workspace = Workspace.open(tmp_path / "workspace")
        with pytest.raises(NothingFoundError, match="challenge"):
            collector.collect(collector.load_brands(file), workspace, browsers=1)
        asked = [path for path in site.asked if path.startswith("/search/")]
    assert len(asked) == 1
    with workspace.catalog.read() as connection:
        pages = connection.execute(select(schema.pages)).all()
    assert {page.state for page in pages} == {"failed"}
    assert all("challenge" in page.error for page in pages)
