"""Pages that are built with real front-end libraries, in real Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from abroad import (
    CASES,
    FOREIGN,
    MENDED,
    AbroadSite,
    Case,
    NoRegistryError,
    install_libraries,
)
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("chromium"),
    pytest.mark.timeout(1200),  # the first test waits for all of the pages
]


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AbroadSite]:
    folder = os.environ.get("BODYSHOP_ABROAD_LIBRARIES")
    try:
        modules = install_libraries(
            Path(folder) if folder else tmp_path_factory.mktemp("libraries") / "npm"
        )
    except NoRegistryError as error:
        pytest.skip(f"the libraries come from npm: {error}")
    with AbroadSite(modules) as site:
        yield site


@pytest.fixture(scope="module")
def collected(abroad: AbroadSite, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Every page as a model of its own, in one run."""
    models = [
        {"name": case.name, case.kind: [{"url": abroad.url(case.name), "label": "whole"}]}
        for case in (*CASES, *FOREIGN, *MENDED)
    ]
    plan = {
        "version": 1, "contact": "test@example.org", "allow_hosts": [abroad.host],
        "limits": {"per_host_interval": 0, "min_side": 100, "load_seconds": 60,
                   "behaviour_seconds": 240},  # what a busy machine needs
        "brands": [{"name": "Abroad", "models": models}],
    }  # fmt: skip
    workspace = Workspace.open(tmp_path_factory.mktemp("abroad"))
    with suppress(collector.IncompleteCollectError):  # each page's own test says what it lacks
        collector.collect(collector.parse_brands(yaml.safe_dump(plan)), workspace, browsers=2)
    return workspace


@pytest.mark.parametrize("case", [*CASES, *FOREIGN, *MENDED], ids=lambda case: case.name)
def test_a_page_of_a_real_library_is_collected_whole(
    collected: Workspace, abroad: AbroadSite, case: Case
) -> None:
    seen, images, pages = schema.sightings, schema.images, schema.pages
    with collected.catalog.read() as connection:
        rows = connection.execute(
            select(seen, images.c.width, images.c.height)
            .join(images, images.c.sha256 == seen.c.sha256)
            .where(seen.c.model == case.name)
            .order_by(seen.c.spin_group, seen.c.frame)
        ).all()
        page = connection.execute(select(pages).where(pages.c.model == case.name)).one()
    assert page.state == "done", page.error
    full = {row.sha256 for row in rows if (row.width, row.height) == case.full}
    assert len(full) == case.expected
    if case.kind == "spinners":
        assert {row.capture for row in rows} == {case.captures}
        for group in {row.spin_group for row in rows if row.spin_group}:
            turn = [row for row in rows if row.spin_group == group]
            assert [row.frame for row in turn] == list(range(len(turn)))
            assert {row.frames for row in turn} == {len(turn)}
            if turn[0].angle_deg is not None:
                angles = [row.angle_deg for row in turn]
                assert angles == pytest.approx([n * 360 / len(turn) for n in range(len(turn))])
    expected = abroad.url("cloudflare" if case.name == "meta-refresh" else case.name)
    assert {row.page_url for row in rows} == {expected}
