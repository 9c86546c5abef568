"""What a segmenter is made of, as a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bodyshop_core.config import StrictModel
from train.recipes.recipe import Optimizer, Stage, override
from train.recipes.shipped import is_kind, load_shipped, shipped_names

ClassesBy = Literal["damage", "severity", "part"]


class SegmentStage(StrictModel):
    """One pass of training a segmenter; without `from_block` the encoder is frozen."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    from_block: str | None = None
    epochs: int = Field(gt=0)
    batch_size: int = Field(default=8, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)

    def as_stage(self) -> Stage:
        """Return the settings of the training loop: Adam with clipped gradients, a cosine."""
        return Stage(
            name=self.name,
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=Optimizer(learning_rate=self.learning_rate, clipnorm=1.0),
            schedule="cosine",
        )


class SegmentRecipe(StrictModel):
    """A segmenter's recipe.

    The network sees squares of `input_size` that cover the whole picture: `rows` of them along the
    picture's shorter side (see `train.data.tiles.Tiling`), in training and in prediction.

    `focal` is the exponent of the focal loss: each pixel's cross-entropy is multiplied by
    (1 - p of the right answer) to this power, so that pixels that are easy count less; 0 is plain
    cross-entropy.

    `classes_by` says what the classes are: the kinds of damage, or the severities or the parts of
    the car that labelers gave to each region.
    """

    name: str = Field(pattern=r"^[a-z0-9_.-]+$")
    description: str
    backbone: str
    weights: str | None = None
    input_size: int = Field(default=224, gt=0)
    rows: int = Field(default=1, ge=1, le=8)
    decoder: tuple[int, ...] = (96, 64, 48, 32, 16)
    dice_weight: float = Field(default=0.5, ge=0, le=1)
    focal: float = Field(default=0.0, ge=0, le=5)
    flip: bool = True
    level: float = Field(default=0.5, gt=0, lt=1)
    classes_by: ClassesBy = "damage"
    stages: tuple[SegmentStage, ...] = Field(min_length=1)


FOLDER = "segment_recipes"


def segment_recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped segmenter recipes."""
    return shipped_names(FOLDER)


def is_segment_recipe(name_or_path: str | Path) -> bool:
    """Say whether a name or a YAML file is a segmenter's: such a file has a ``decoder``."""
    return is_kind(name_or_path, FOLDER, "decoder")


def load_segment_recipe(
    name_or_path: str | Path | SegmentRecipe = "segment",
    *,
    overrides: Mapping[str, Any] | None = None,
) -> SegmentRecipe:
    """Read a shipped segmenter recipe by name, or a YAML file.

    Parameters
    ----------
    name_or_path : str, Path or SegmentRecipe
        ``"segment"``, or a path ending in ``.yaml`` or ``.yml``.
    overrides : Mapping, optional
        Dotted key -> value, such as ``{"stages.0.epochs": 30}``.

    Raises
    ------
    UsageError
        No shipped recipe has that name, or an override names no key.
    ConfigError
        The file, or the recipe after the overrides, is not valid.
    """
    recipe = load_shipped(name_or_path, SegmentRecipe, FOLDER, what="segmenter recipe")
    return override(recipe, overrides or {})
