"""Run folders without training: a built network, saved, with the record that belongs to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from train.models.network import build_network
from train.models.run_folder import MODEL_FILE, RunRecord, save_record, save_samples
from train.recipes.recipe import Recipe

BLOCKS = ("b6_", "b9_")
"""One choice for all tests: the backbone with these outputs is converted once."""


def lite0_recipe(**changes: Any) -> Recipe:
    """The default recipe with two feature blocks."""
    data = {
        "name": "small-default",
        "description": "for tests",
        "backbone": "efficientnet-lite0",
        "head": {"feature_blocks": BLOCKS, "std_pooling": True},
        "data": {"tta_views": ["centre", "mirrored", "whole", "whole-mirrored"]},
        "stages": [{"name": "head", "solver": "logistic"}],
    }
    return Recipe.model_validate(data | changes)


def save_run(
    folder: Path, recipe: Recipe, *, gate: dict[str, Any] | None = None, **changes: Any
) -> Path:
    """Save a run that was never trained: its head has random weights that spread the classes."""
    network = build_network(recipe, 2)
    random = np.random.default_rng(3)
    for layer in network.model.layers:
        if layer.name in network.head and layer.weights:
            kernel, bias = layer.get_weights()
            scale = 2 / np.sqrt(len(kernel))
            layer.set_weights([random.normal(0, scale, kernel.shape), bias + 0.1])
    folder.mkdir(parents=True)
    network.model.save(folder / MODEL_FILE)
    listed = save_samples(folder, {})
    facts: dict[str, Any] = {
        "run": "small",
        "kind": "classifier",
        "recipe": recipe.model_dump(mode="json"),
        "target": "damage",
        "classes": ("damaged", "whole"),
        "positive": "whole",
        "threshold": 0.5,
        "temperature": 1.0,
        "side": network.side,
        "equalise": None,
        "grey": False,
        "gate": gate,
        "seed": 7,
        "split_set": "first",
        "data": {"samples": listed},
        "versions": {},
        "created_at": "2026-01-01T00:00:00+00:00",
        "extra": {},
        "tta_views": recipe.data.tta_views,
    }
    save_record(folder, RunRecord(**(facts | changes)))
    return folder
