"""What the examples of each page of the docs find in the folder they run in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import shots
import small_runs
import training_cases
from filling import add_picture, photo, pretend_features, pretend_scores
from PIL import Image
from small_showroom import draw_showroom

import curate
from bodyshop_core.workspace import Workspace


def _augment(text: str) -> None:
    pictures = [
        shots.Shot(
            shots.jpeg(shots.picture(seed)),
            label=("damaged", "whole")[seed % 2],
            mask=None if seed % 2 else shots.png(shots.mask()),
        )
        for seed in range(4)
    ]
    shots.fill_workspace(Workspace.open("workspace"), pictures)


def _collect(text: str) -> None:
    workspace = Workspace.open("workspace")
    for seed, source in enumerate(("spinner", "search")):
        add_picture(
            workspace,
            photo(seed),
            source=source,
            brand="Norden",
            model="Fjell",
            url=f"https://example.org/{seed}.jpg",
        )


def _commands(text: str) -> None:
    (name,) = set(re.findall(r"workspace/runs/(train-[\w-]+)", text))
    small_runs.save_run(Path("workspace/runs") / name, small_runs.lite0_recipe())
    workspace = Workspace.open("workspace")
    for seed in range(6):
        add_picture(workspace, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]})
    pretend_features(workspace, pretend_scores(workspace))
    curate.measure_images(workspace, workers=1)
    curate.judge(workspace)
    for file in ("front.jpg", "door.jpg"):
        Image.fromarray(training_cases.draw("whole", 1)).save(file)


def _curate(text: str) -> None:
    workspace = Workspace.open("workspace")
    for seed in range(12):
        add_picture(workspace, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]})
    pretend_scores(workspace)


def _labeling(text: str) -> None:
    workspace, photos = Workspace.open("workspace"), Path("photos")
    photos.mkdir()
    data = shots.jpeg(shots.picture(1))
    (photos / "door.jpg").write_bytes(data)
    add_picture(workspace, data, file="photos/door.jpg")
    outline = [10, 10, 40, 10, 40, 30, 10, 30]
    coco = {
        "images": [{"id": 1, "file_name": "door.jpg", "width": 96, "height": 64}],
        "categories": [{"id": 1, "name": "minor-dent"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [outline]}],
    }
    (photos / "annotations.json").write_text(json.dumps(coco), encoding="utf-8")


def _showroom(text: str) -> None:
    draw_showroom(Path("bodyshop-demo/showroom"))


def _train(text: str) -> None:
    from train import train

    workspace = Workspace.open("workspace")
    training_cases.fill_workspace(workspace, {"damaged": (10, 4, 4), "whole": (10, 4, 4)})
    (name,) = set(re.findall(r"workspace/runs/(train-[\w-]+)", text))
    train(workspace, training_cases.tiny_recipe()).folder.rename(workspace.root / "runs" / name)
    for file in ("front.jpg", "door.jpg"):
        Image.fromarray(training_cases.draw("whole", 1)).save(file)


SCENES: dict[str, Callable[[str], None]] = {
    "docs/augment.md": _augment,
    "docs/collect.md": _collect,
    "docs/commands.md": _commands,
    "docs/curate.md": _curate,
    "docs/labeling.md": _labeling,
    "docs/showroom.md": _showroom,
    "docs/train.md": _train,
}
"""By page: makes the workspace and files that the page's Python examples start from."""
