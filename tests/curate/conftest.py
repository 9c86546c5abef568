"""A workspace of twelve pictures, curated once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from curated import fill
from filling import pretend_scores

import curate
from bodyshop_core.workspace import Workspace


@pytest.fixture(scope="module")
def curated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = Workspace.open(tmp_path_factory.mktemp("curated") / "workspace")
    fill(workspace)
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    workspace.catalog.close()
    return workspace.root


@pytest.fixture
def curated(curated_once: Path, tmp_path: Path) -> Workspace:
    """A workspace of twelve pictures, curated."""
    return Workspace.open(shutil.copytree(curated_once, tmp_path / "workspace"))
