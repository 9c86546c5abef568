"""A small workspace of drawn pictures that a network can learn within seconds."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from training_cases import Told, fill_workspace, tiny_recipe

from bodyshop_core.workspace import Workspace
from train import TrainSummary, train

Fill = Callable[..., Workspace]


@pytest.fixture
def fill(workspace: Workspace) -> Fill:
    """Fill the workspace: fill({"damaged": (8, 4, 4), "whole": (8, 4, 4)})."""
    return partial(fill_workspace, workspace)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainSummary, Workspace]:
    """A run that has learned to see the stroke, and its workspace: look, don't touch."""
    workspace = Workspace.open(tmp_path_factory.mktemp("finished") / "workspace")
    fill_workspace(workspace, {"damaged": (24, 8, 8), "whole": (24, 8, 8)})
    stages = [
        {
            "name": "all",
            "trainable": "all",
            "epochs": 30,
            "batch_size": 8,
            "optimizer": {"learning_rate": 0.01},
        }
    ]
    gate = {"name": "efficientnet-lite0", "rule": "top5", "classes": ["minivan"]}
    return train(workspace, tiny_recipe(stages=stages), gate=gate, seed=5), workspace


@pytest.fixture
def carried(finished: tuple[TrainSummary, Workspace], tmp_path: Path) -> Path:
    """A copy of the finished run's folder, as on another machine."""
    return Path(shutil.copytree(finished[0].folder, tmp_path / "another machine" / "달리기"))


@pytest.fixture
def small(fill: Fill) -> Workspace:
    """Two classes, 16 training pictures."""
    return fill({"damaged": (8, 4, 4), "whole": (8, 4, 4)})


@pytest.fixture
def told() -> Told:
    return Told()
