"""A small workspace of drawn pictures that a network can learn within seconds."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from training_cases import Told, draw, tiny_recipe

from bodyshop import imaging
from bodyshop.catalog import now, register_image, schema
from bodyshop.workspace import Workspace
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


def fill_workspace(
    workspace: Workspace,
    counts: dict[str, tuple[int, int, int]],
    *,
    name: str = "first",
    audit: dict | None = None,
) -> Workspace:
    """Put drawn pictures of each class into train, validation and test."""
    rows, number = [], 0
    with workspace.catalog.begin() as connection:
        for label, each in counts.items():
            for split, count in zip(("train", "validation", "test"), each, strict=True):
                for _ in range(count):
                    number += 1
                    stream = io.BytesIO()
                    Image.fromarray(draw(label, number)).save(stream, "PNG")
                    data = stream.getvalue()
                    blob = workspace.blobs.put_bytes(data, "png")
                    register_image(connection, blob, extension="png", facts=imaging.probe(data))
                    rows.append(
                        {
                            "split_set": name,
                            "sha256": blob.sha256,
                            "split": split,
                            "label": label,
                            "group": blob.sha256,
                        }
                    )
    split_set = {
        "name": name,
        "target": "damage",
        "seed": 7,
        "ratios": {},
        "options": {},
        "audit": audit,
        "created_at": now(),
    }
    workspace.catalog.upsert(schema.split_sets, [split_set])
    workspace.catalog.upsert(schema.splits, rows)
    return workspace
