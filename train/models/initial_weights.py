"""What identifies the weights that training starts from: their content, not their place."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bodyshop_core import backbones
from bodyshop_core.errors import MissingPartError
from train.models.network import PADDED_VGG16
from train.models.run_folder import MODEL_FILE, load_record
from train.recipes.recipe import Recipe
from train.recipes.segment_recipe import SegmentRecipe

MISSING = "missing"
"""Stands for weights that can't be had; building the network says why."""


def identify_weights(
    recipe: Recipe | SegmentRecipe, weights: str | Path | None = None
) -> str | None:
    """Return a text that changes whenever the initial weights or their preprocessing change.

    Parameters
    ----------
    recipe : Recipe or SegmentRecipe
        Its backbone, or the earlier run that it starts from.
    weights : str, Path or None
        Instead of the recipe's.

    Returns
    -------
    str or None
        Such as ``efficientnet-lite0-57934424ab12cd34-p1``; None without a backbone.

    Raises
    ------
    UsageError
        The given file, or the run to start from, is not there.
    """
    if isinstance(recipe, Recipe) and recipe.start is not None:
        if recipe.start.run is None:
            return MISSING
        load_record(recipe.start.run)
        with (recipe.start.run / MODEL_FILE).open("rb") as stream:
            return f"run-{hashlib.file_digest(stream, 'sha256').hexdigest()}"
    if recipe.backbone is None:
        return None
    name = "vgg16" if recipe.backbone == PADDED_VGG16 else recipe.backbone
    try:
        return backbones.fingerprint(name, weights if weights is not None else recipe.weights)
    except MissingPartError:
        return MISSING
