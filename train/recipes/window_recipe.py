"""What a damage model by windows is fitted with, as a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from bodyshop_core.config import StrictModel
from train.recipes.recipe import ThresholdRule, override
from train.recipes.shipped import is_kind, load_shipped

FOLDER = "window_recipes"


class WindowRecipe(StrictModel):
    """A damage model by windows (see `train.windows`).

    `near` is what the weights are kept near: those of the model that comes with the package, or
    zero. `strengths` are tried for the penalty on the difference; the validation pictures choose.
    """

    name: str = Field(pattern=r"^[a-z0-9_.-]+$")
    description: str
    source: str | None = None
    family: Literal["windows"] = "windows"
    near: Literal["shipped", "nothing"] = "shipped"
    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (0.03,)
    positive: str | None = None
    threshold: ThresholdRule = 0.5


def is_window_recipe(name_or_path: str | Path) -> bool:
    """Say whether a name or a YAML file is one of these: such a file has ``strengths``."""
    return is_kind(name_or_path, FOLDER, "strengths")


def load_window_recipe(
    name_or_path: str | Path | WindowRecipe = "damage",
    *,
    overrides: Mapping[str, Any] | None = None,
) -> WindowRecipe:
    """Read a shipped recipe by name, or a YAML file.

    Parameters
    ----------
    name_or_path : str, Path or WindowRecipe
        ``"damage"``, or a path ending in ``.yaml`` or ``.yml``.
    overrides : Mapping, optional
        Dotted key -> value, such as ``{"near": "nothing"}``.

    Raises
    ------
    UsageError
        No shipped recipe has that name, or an override names no key.
    ConfigError
        The file, or the recipe after the overrides, is not valid.
    """
    recipe = load_shipped(name_or_path, WindowRecipe, FOLDER, what="damage recipe")
    return override(recipe, overrides or {})
