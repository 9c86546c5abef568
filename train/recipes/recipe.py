"""What a training run is made of, as a YAML file: the network, the data's view, the stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, Field, model_validator

from bodyshop_core.config import StrictModel, parse_yaml
from bodyshop_core.errors import UsageError
from train.recipes.shipped import load_shipped, shipped_names

AnyRecipe = TypeVar("AnyRecipe", bound=StrictModel)


class Dense(StrictModel):
    """A fully connected layer of the head."""

    dense: int = Field(gt=0)
    activation: Literal["relu", "swish", "linear"] = "relu"
    l2: float = Field(default=0.0, ge=0)


class Dropout(StrictModel):
    """Drop this fraction of the inputs while training."""

    dropout: float = Field(ge=0, lt=1)


class BatchNorm(StrictModel):
    """A batch normalisation layer of the head."""

    batch_norm: Literal[True]


class Conv(StrictModel):
    """A convolution of an own body, with ``same`` padding."""

    conv: int = Field(gt=0)
    kernel: int = Field(default=3, gt=0)
    activation: Literal["relu", "swish", "linear"] = "relu"


class Pool(StrictModel):
    """Maximum pooling of an own body."""

    pool: int = Field(gt=1)


class Head(StrictModel):
    """The layers on the backbone; the output layer has the size of the class list.

    `feature_blocks` are blocks of the backbone whose channel averages are concatenated with those
    of its last layer: scratches and dents are texture, which earlier blocks represent better than
    the last one. With `std_pooling` the standard deviations of these channels are added, too.
    """

    pooling: Literal["average", "max", "flatten"] = "average"
    feature_blocks: tuple[str, ...] = ()
    std_pooling: bool = False
    layers: tuple[Dense | Dropout | BatchNorm, ...] = ()
    activation: Literal["softmax", "sigmoid"] = "softmax"
    l2: float = Field(default=0.0, ge=0)


class FromBlock(StrictModel):
    """Train from this named block of the backbone on; everything before it is frozen."""

    from_block: str


class AfterLayers(StrictModel):
    """Freeze ``layers[:N]`` of the backbone as ``keras.applications`` counts them."""

    after_layers: int = Field(ge=0)


class Optimizer(StrictModel):
    """The rule by which weights change."""

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clipnorm: float | None = Field(default=None, gt=0)


class AffineAugmentation(StrictModel):
    """A fresh random distortion of every picture in every epoch, through the whole network.

    The transform and its parameters are those of Keras' ``ImageDataGenerator``: rotation and shear
    in degrees, shifts as a fraction of the side, zoom as a fraction around 1.
    """

    rotation: float = Field(default=0.0, ge=0, le=180)
    shift: float = Field(default=0.0, ge=0, lt=1)
    shear: float = Field(default=0.0, ge=0, le=90)
    zoom: float = Field(default=0.0, ge=0, lt=1)
    flip: bool = False


class Stage(StrictModel):
    """One pass of training: which layers learn, how, and when it ends.

    The solver `logistic` finds the output layer's best weights on cached features at once (see
    `train.models.linear_probe.fit_linear_probe`); epochs, batches and optimiser belong to the
    solver `gradient`.
    """

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    solver: Literal["gradient", "logistic"] = "gradient"
    trainable: Literal["head", "all"] | FromBlock | AfterLayers = "head"
    batch_norm: Literal["frozen", "with_layers"] = "frozen"
    epochs: int = Field(default=1, gt=0)
    batch_size: int = Field(default=32, gt=0)
    optimizer: Optimizer = Optimizer()
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = Field(default=0.0, ge=0, lt=1)
    patience: int | None = Field(default=None, gt=0)
    monitor: Literal["loss", "accuracy"] = "loss"
    keep: Literal["best", "last"] = "best"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    head_l2: float | None = Field(default=None, ge=0)
    affine: AffineAugmentation | None = None


TtaView = Literal["centre", "mirrored", "whole", "whole-mirrored"]


def _plain_first(tta_views: tuple[TtaView, ...]) -> tuple[TtaView, ...]:
    if tta_views[:1] not in {("centre",), ("whole",)} or len(set(tta_views)) != len(tta_views):
        raise ValueError("tta_views start with centre or whole, and each is named once")
    return tta_views


TtaViews = Annotated[tuple[TtaView, ...], AfterValidator(_plain_first)]
"""Test-time views of a picture, an unmirrored one first."""


def _named_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("each of label, origin and framing is named once")
    return names


class Data(StrictModel):
    """Which view of the pictures the network sees.

    Every picture is learned in each of the `tta_views`, and a prediction is the mean of theirs.
    `balance` weighs the training pictures so that labels count the same, and within each label
    origins, or framings (see `train.data.strata.balance_weights`).
    """

    variants: bool = True
    tta_views: TtaViews = ("centre",)
    degradation_views: int = Field(default=0, ge=0, le=8)
    equalise: Literal["auto", "always", "never"] = "auto"
    class_weights: bool = False
    balance: Annotated[
        tuple[Literal["label", "origin", "framing"], ...], AfterValidator(_named_once)
    ] = ()
    colour: Literal["rgb", "grey"] = "rgb"
    crop: Literal["none", "car"] = "none"

    @model_validator(mode="after")
    def _one_weighting(self) -> Data:
        if self.balance and self.class_weights:
            raise ValueError("give class_weights or balance: [label], which does the same")
        return self


class Start(StrictModel):
    """Start from an earlier run's network instead of a backbone (the head swap)."""

    run: Path | None = None
    layer: str


class Costs(StrictModel):
    """What two kinds of wrong decisions cost, in any unit: only their ratio matters."""

    missed: float = Field(gt=0)
    """A picture of the positive class that is taken for the other one."""
    false: float = Field(gt=0)
    """A false alarm."""


ThresholdRule = float | Literal["balanced"] | Costs
"""A number, or how it is chosen on the validation pictures."""


def _unique_names(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    names = [stage.name for stage in stages]
    if len(set(names)) != len(names):
        raise ValueError("two stages have the same name")
    return stages


class Recipe(StrictModel):
    """A whole training recipe (see ``docs/train.md`` for every key).

    `positive` is the class of two that is looked for, to which `threshold` applies; None: the one
    whose name means damage.
    """

    name: str = Field(pattern=r"^[a-z0-9_.-]+$")
    description: str
    source: str | None = None
    backbone: str | None = None
    body: tuple[Conv | Pool, ...] | None = None
    start: Start | None = None
    weights: str | None = None
    preprocessing: Literal["own", "rescale"] = "own"
    input_size: int | None = Field(default=None, ge=16, le=1024)
    head: Head = Head()
    data: Data = Data()
    stages: Annotated[tuple[Stage, ...], Field(min_length=1), AfterValidator(_unique_names)]
    positive: str | None = None
    threshold: ThresholdRule = 0.5
    mixed_precision: bool = False
    jit_compile: bool = False
    """Compile the training step with XLA: for GPUs; on a CPU it is many times slower."""

    @model_validator(mode="after")
    def _one_body(self) -> Recipe:
        given = [key for key in ("backbone", "body", "start") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of backbone, body and start")
        if self.head.feature_blocks and (self.backbone is None or self.head.pooling != "average"):
            raise ValueError("head.feature_blocks need a backbone and pooling: average")
        if self.head.std_pooling and not self.head.feature_blocks:
            raise ValueError("head.std_pooling needs head.feature_blocks")
        hidden = any(isinstance(layer, Dense | BatchNorm) for layer in self.head.layers)
        for stage in self.stages:
            if stage.solver == "logistic" and (
                hidden or stage.trainable != "head" or stage.affine is not None
            ):
                raise ValueError(
                    f"stage '{stage.name}': the solver logistic needs a head without dense and "
                    "batch_norm layers, trainable: head, and no affine augmentation"
                )
        if isinstance(self.threshold, float) and not 0 < self.threshold < 1:
            raise ValueError("threshold must lie between 0 and 1")
        return self


def recipe_names() -> tuple[str, ...]:
    """Return the names of the shipped recipes."""
    return shipped_names("recipes")


def load_recipe(
    name_or_path: str | Path | Recipe, *, overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Read a shipped recipe by name, or a YAML file.

    Parameters
    ----------
    name_or_path : str, Path or Recipe
        ``"default"``, another of `recipe_names`, or a path ending in ``.yaml`` or ``.yml``.
    overrides : Mapping, optional
        Dotted key -> value, such as ``{"stages.0.optimizer.learning_rate": 1e-4}``.

    Raises
    ------
    UsageError
        No shipped recipe has that name, or an override names no key.
    ConfigError
        The file, or the recipe after the overrides, is not valid.
    """
    recipe = load_shipped(name_or_path, Recipe, "recipes", what="recipe")
    return override(recipe, overrides or {})


def override(recipe: AnyRecipe, changes: Mapping[str, Any]) -> AnyRecipe:
    """Return a recipe, of a classifier or a segmenter, with some keys changed.

    Parameters
    ----------
    recipe : Recipe or SegmentRecipe
        What to change.
    changes : Mapping
        Dotted key -> value.

    Raises
    ------
    UsageError
        There is no such key.
    ConfigError
        The changed recipe is not valid.
    """
    if not changes:
        return recipe
    data = recipe.model_dump(mode="json")
    for key, value in changes.items():
        _assign(data, key, value)
    name = f"{data['name']} with {_spell(changes)}"
    return parse_yaml(dump(data), type(recipe), name=name)


def epochs_overrides(recipe: AnyRecipe, epochs: int) -> dict[str, int]:
    """Return the overrides that set the epochs of every stage that counts them.

    Parameters
    ----------
    recipe : Recipe or SegmentRecipe
        Its stages.
    epochs : int
        Of each of them.

    Raises
    ------
    UsageError
        No stage is trained in epochs.
    """
    stages: Sequence[Any] = recipe.stages  # type: ignore[attr-defined]
    found = {
        f"stages.{index}.epochs": epochs
        for index, stage in enumerate(stages)
        if getattr(stage, "solver", "gradient") == "gradient"
    }
    if not found:
        raise UsageError(
            f"recipe '{recipe.name}' solves its output layer at once: it has no epochs",  # type: ignore[attr-defined]
            hint="use a recipe with a gradient stage, such as bottleneck or finetune",
        )
    return found


def dump(recipe: Recipe | Mapping[str, Any]) -> str:
    """Return a recipe as YAML text that `load_recipe` reads back to an equal recipe."""
    data = recipe.model_dump(mode="json") if isinstance(recipe, Recipe) else dict(recipe)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _assign(data: Any, key: str, value: Any) -> None:
    *way, last = key.split(".")
    node = data
    for part in way:
        node = _child(node, part, key)
    if isinstance(node, list):
        _child(node, last, key)
        node[int(last)] = value
    elif isinstance(node, dict):
        # An unknown last key is put in: validation then names it and what is allowed.
        node[last] = value
    else:
        raise UsageError(f"the recipe has no key '{key}'")


def _child(node: Any, part: str, key: str) -> Any:
    if isinstance(node, list) and part.isdigit() and int(part) < len(node):
        return node[int(part)]
    if isinstance(node, dict) and part in node and node[part] is not None:
        return node[part]
    raise UsageError(f"the recipe has no key '{key}'", hint=f"nothing is at '{part}'")


def _spell(overrides: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in overrides.items())
