"""Drawn pictures in a workspace, a recipe that trains in seconds, a progress that remembers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from bodyshop_core import imaging
from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.workspace import Workspace
from train.recipes.recipe import Recipe


def draw(label: str, number: int, size: int = 96) -> np.ndarray:
    """A grey card; the class with a scratch has a dark stroke across a light body."""
    random = np.random.default_rng([number, len(label), ord(label[0])])
    picture = np.full((size, size + 16, 3), random.integers(90, 200), np.uint8)
    picture = (picture + random.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)
    if label in {"damaged", "파손"}:
        start = int(random.integers(10, size // 2))
        for offset in range(60):
            picture[start + offset // 4 : start + offset // 4 + 14, 20 + offset] = (200, 10, 10)
    elif label not in {"whole", "정상"}:
        picture[size // 3 : size // 2, 30:70] = (20, 200, 20)
    return picture


def tiny_recipe(**changes: object) -> Recipe:
    """Two convolutions at 32 pixels: an epoch takes milliseconds."""
    data = {
        "name": "tiny",
        "description": "for tests",
        "body": [{"conv": 8}, {"pool": 2}, {"conv": 16}, {"pool": 2}],
        "input_size": 32,
        "head": {"pooling": "max", "layers": [{"dense": 8}, {"dropout": 0.2}]},
        "data": {"equalise": "auto"},
        "stages": [
            {
                "name": "all",
                "trainable": "all",
                "batch_norm": "with_layers",
                "epochs": 4,
                "batch_size": 8,
                "optimizer": {"learning_rate": 0.01},
            }
        ],
    }
    return Recipe.model_validate(data | changes)


class Told:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.tasks: dict[str, int] = {}

    @contextmanager
    def task(self, name: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        self.tasks.setdefault(name, 0)

        def tick(n: int = 1, note: str = "") -> None:
            self.tasks[name] += n

        yield tick

    def log(self, message: str) -> None:
        self.messages.append(message)


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
                    register_image(
                        connection, blob, extension="png", facts=imaging.read_header(data)
                    )
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
