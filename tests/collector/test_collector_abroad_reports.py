"""Odd answers of servers, and pages of public reports, in real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from abroad import HABITS, REPORTS, AbroadSite, Case
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AbroadSite]:
    with AbroadSite(tmp_path_factory.mktemp("no-libraries")) as running:
        yield running


@pytest.fixture(scope="module")
def collected(site: AbroadSite, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Every page as a model of its own, in one run."""
    models = [
        {"name": case.name, "pages": [{"url": site.url(case.name), "label": "whole"}]}
        for case in (*HABITS, *REPORTS)
    ]
    plan = {
        "version": 1, "contact": "test@example.org", "allow_hosts": [site.host],
        "limits": {"per_host_interval": 0, "min_side": 100, "behaviour_seconds": 90},
        "brands": [{"name": "Abroad", "models": models}],
    }  # fmt: skip
    workspace = Workspace.open(tmp_path_factory.mktemp("reports"))
    collector.collect(collector.parse_brands(yaml.safe_dump(plan)), workspace, browsers=2)
    return workspace


@pytest.mark.parametrize("case", [*HABITS, *REPORTS], ids=lambda case: case.name)
def test_a_page_is_collected_whole(collected: Workspace, site: AbroadSite, case: Case) -> None:
    seen, images, pages = schema.sightings, schema.images, schema.pages
    with collected.catalog.read() as connection:
        rows = connection.execute(
            select(seen, images.c.width, images.c.height)
            .join(images, images.c.sha256 == seen.c.sha256)
            .where(seen.c.model == case.name)
        ).all()
        page = connection.execute(select(pages).where(pages.c.model == case.name)).one()
        candidates = schema.candidates
        lost = connection.execute(
            select(candidates.c.url, candidates.c.error)
            .where(candidates.c.model == case.name)
            .where(candidates.c.state.in_(("failed", "refused")))
        ).all()
    assert (page.state, page.error, lost) == ("done", None, [])
    assert {(row.width, row.height) for row in rows} == {case.full}
    assert len({row.sha256 for row in rows}) == len(rows) == case.expected
    assert {row.page_url for row in rows} == {site.url(case.name)}
