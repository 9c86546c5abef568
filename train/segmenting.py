"""Training a segmenter for damage masks."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from bodyshop import atomic
from bodyshop.backbones.quiet import import_tensorflow
from bodyshop.catalog import now
from bodyshop.config import StrictModel, load_yaml, parse_yaml
from bodyshop.errors import BodyshopError, UsageError
from bodyshop.progress import SILENT, Progress
from bodyshop.workspace import Workspace
from train.fitting import predict
from train.mask_metrics import best_constant_iou, mask_summary
from train.masked import MaskedSample, load_pairs, masked_samples
from train.network import parameters
from train.run_folder import MODEL_FILE, RunRecord, save_record, write_json
from train.runtime import seed_everything, versions
from train.samples import SPLITS
from train.unet import build_unet

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


class SegmentStage(StrictModel):
    """One pass of training a segmenter; without `from_block` the encoder is frozen."""

    name: str
    from_block: str | None = None
    epochs: int = Field(gt=0)
    batch_size: int = Field(default=8, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)


class SegmentRecipe(StrictModel):
    """A segmenter's recipe."""

    name: str
    description: str
    backbone: str
    weights: str | None = None
    input_size: int = Field(default=224, gt=0)
    decoder: tuple[int, ...] = (96, 64, 48, 32, 16)
    dice_weight: float = Field(default=0.5, ge=0, le=1)
    flip: bool = True
    level: float = Field(default=0.5, gt=0, lt=1)
    stages: tuple[SegmentStage, ...] = Field(min_length=1)


@dataclass(frozen=True)
class SegmentSummary:
    """What training a segmenter came to; the figures are of the test split.

    Parameters
    ----------
    run : str
        Its name.
    folder : Path
        Everything about it.
    metrics : Mapping
        As `train.mask_metrics.mask_summary`.
    baseline : Mapping
        ``constant_iou`` per class: the best that one mask for all pictures can do.
    seconds : float
        Of training.
    report : Path
        The HTML page.
    """

    run: str
    folder: Path
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    seconds: float
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "run": self.run,
            "folder": str(self.folder),
            "split": "test",
            **self.metrics,
            "baseline": dict(self.baseline),
            "seconds": round(self.seconds, 1),
            "report": str(self.report),
        }


def load_segment_recipe(name_or_path: str | Path | SegmentRecipe = "segment") -> SegmentRecipe:
    """Read a shipped segmenter recipe by name, or a YAML file.

    Raises
    ------
    UsageError
        No shipped recipe has that name.
    ConfigError
        The file is not valid.
    """
    if isinstance(name_or_path, SegmentRecipe):
        return name_or_path
    if str(name_or_path).endswith((".yaml", ".yml")):
        return load_yaml(Path(name_or_path), SegmentRecipe)
    file = files("train") / "segment_recipes" / f"{name_or_path}.yaml"
    if not file.is_file():
        raise UsageError(
            f"there is no segmenter recipe '{name_or_path}'", hint="use segment, or a .yaml file"
        )
    return parse_yaml(file.read_text(encoding="utf-8"), SegmentRecipe, name=str(name_or_path))


def segment(
    workspace: Workspace,
    recipe: str | Path | SegmentRecipe = "segment",
    *,
    split_set: str | None = None,
    seed: int = 7,
    progress: Progress = SILENT,
) -> SegmentSummary:
    """Train a segmenter on the catalog's damage masks.

    Parameters
    ----------
    workspace : Workspace
        With splits and pulled masks.
    recipe : str, Path or SegmentRecipe
        A shipped name or a YAML file.
    split_set : str, optional
        The newest by default.
    seed : int
        Of everything random.
    progress : Progress
        Told of each epoch.

    Raises
    ------
    NothingFoundError
        There are no masks in one of the splits.
    BodyshopError
        A mask does not fit its picture, or the loss diverged.
    """
    chosen = load_segment_recipe(recipe)
    samples, classes = masked_samples(workspace, split_set=split_set)
    arguments = {"recipe": chosen.model_dump(mode="json"), "split_set": split_set, "seed": seed}
    with workspace.record_run("segment", arguments) as record:
        result = fit_segmenter(
            samples, classes, chosen, record.folder, run=record.id, seed=seed, progress=progress
        )
        record.counts = {"mean_iou": result.metrics["mean_iou"]}
    return result


def fit_segmenter(
    samples: Sequence[MaskedSample],
    classes: tuple[str, ...],
    recipe: SegmentRecipe,
    folder: Path,
    *,
    run: str,
    seed: int = 7,
    progress: Progress = SILENT,
) -> SegmentSummary:
    """Train on given samples and write the run's folder (see `segment`)."""
    began = time.monotonic()
    seed_everything(seed)
    model, encoder = build_unet(
        recipe.backbone,
        len(classes),
        side=recipe.input_size,
        decoder=recipe.decoder,
        weights=recipe.weights,
    )
    parts = {
        split: load_pairs([s for s in samples if s.split == split], classes, recipe.input_size)
        for split in SPLITS
    }
    history: list[dict[str, Any]] = []
    for stage in recipe.stages:
        _freeze(model, encoder, stage)
        history += _fit(model, parts, recipe, stage, seed, progress)
    with atomic.replacing(folder / MODEL_FILE) as temporary:
        model.save(temporary)
    record = RunRecord(
        run=run,
        kind="segmenter",
        recipe=recipe.model_dump(mode="json"),
        target="mask",
        classes=classes,
        positive=None,
        threshold=recipe.level,
        temperature=1.0,
        side=recipe.input_size,
        equalise=None,
        grey=False,
        gate=None,
        seed=seed,
        split_set="",
        data={"counts": {s: len(parts[s][0]) for s in SPLITS}},
        versions=versions(),
        created_at=now(),
        extra={"parameters": parameters(model)},
    )
    save_record(folder, record)
    write_json(folder / "history.json", history)
    pixels, truth = parts["test"]
    metrics = mask_summary(truth, predict(model, pixels, batch=8), classes, level=recipe.level)
    baseline = {"constant_iou": best_constant_iou(parts["train"][1], truth, classes)}
    write_json(folder / "metrics.json", {"test": metrics, "baseline": baseline})
    _examples(folder, pixels, truth, predict(model, pixels[:8], batch=8), recipe.level)
    report = _report(folder, run, metrics, baseline["constant_iou"])
    return SegmentSummary(run, folder, metrics, baseline, time.monotonic() - began, report)


def dice_and_cross_entropy(truth: Any, predicted: Any, dice_weight: float) -> Any:
    """Return the mean over classes of (1 - w) cross-entropy + w (1 - Dice), soft, over the batch.

    Milletari et al. 2016 (arXiv:1606.04797) for Dice; the constant 1 keeps empty masks defined.
    """
    tf = import_tensorflow()
    tiny = 1e-6
    predicted = tf.clip_by_value(predicted, tiny, 1 - tiny)
    entropy = -tf.reduce_mean(
        truth * tf.math.log(predicted) + (1 - truth) * tf.math.log(1 - predicted)
    )
    overlap = tf.reduce_sum(truth * predicted, axis=(0, 1, 2))
    total = tf.reduce_sum(truth + predicted, axis=(0, 1, 2))
    dice = tf.reduce_mean((2 * overlap + 1) / (total + 1))
    return (1 - dice_weight) * entropy + dice_weight * (1 - dice)


def _freeze(model: keras.Model, encoder: Sequence[str], stage: SegmentStage) -> None:
    from keras import layers

    learning: set[str] = set()
    if stage.from_block is not None:
        start = next(
            (i for i, name in enumerate(encoder) if name.startswith(stage.from_block)), None
        )
        if start is None:
            raise UsageError(f"the encoder has no block '{stage.from_block}'")
        learning = set(encoder[start:])
    for name in encoder:
        layer = model.get_layer(name)
        layer.trainable = name in learning and not isinstance(layer, layers.BatchNormalization)


def _fit(
    model: keras.Model,
    parts: Mapping[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    recipe: SegmentRecipe,
    stage: SegmentStage,
    seed: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    import keras

    tf = import_tensorflow()
    pixels, masks = parts["train"]
    optimizer = keras.optimizers.Adam(stage.learning_rate, clipnorm=1.0)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = dice_and_cross_entropy(y, model(x, training=True), recipe.dice_weight)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    history, best, best_iou = [], None, -1.0
    steps = math.ceil(len(pixels) / stage.batch_size)
    with progress.task(f"train {stage.name}", total=stage.epochs) as tick:
        for epoch in range(stage.epochs):
            random = np.random.default_rng([seed, epoch])
            order, total = random.permutation(len(pixels)), 0.0
            for index in range(steps):
                places = order[index * stage.batch_size : (index + 1) * stage.batch_size]
                x, y = pixels[places].astype(np.float32), masks[places].astype(np.float32)
                if recipe.flip:
                    turned = random.random(len(places)) < 0.5
                    x[turned], y[turned] = x[turned, :, ::-1], y[turned, :, ::-1]
                done = (epoch * steps + index) / (steps * stage.epochs)
                optimizer.learning_rate.assign(
                    stage.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
                )
                loss = float(step(tf.constant(x), tf.constant(y)))
                if not math.isfinite(loss):
                    raise BodyshopError(
                        f"the loss became {loss} in epoch {epoch + 1} of stage '{stage.name}'",
                        hint="lower that stage's learning_rate",
                    )
                total += loss
            seen, real = parts["validation"]
            figures = mask_summary(
                real,
                predict(model, seen, batch=8),
                [str(c) for c in range(real.shape[-1])],
                level=recipe.level,
            )
            history.append(
                {
                    "stage": stage.name,
                    "epoch": epoch + 1,
                    "loss": total / steps,
                    "val_iou": figures["mean_iou"],
                }
            )
            if (figures["mean_iou"] or 0.0) > best_iou:
                best_iou, best = figures["mean_iou"] or 0.0, model.get_weights()
            tick(1, f"val_iou {figures['mean_iou'] or 0.0:.3f}")
    if best is not None:
        model.set_weights(best)
    return history


def _examples(
    folder: Path,
    pixels: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    predicted: NDArray[np.float32],
    level: float,
) -> None:
    """Draw up to eight test pictures with the true (left) and the found (right) masks."""
    from PIL import Image

    rows = []
    for picture, real, found in zip(pixels[:8], truth[:8], predicted, strict=False):
        pair = []
        for mask in (real.max(axis=-1) > 0, found.max(axis=-1) >= level):
            shown = picture.astype(np.float32)
            shown[mask] = 0.45 * shown[mask] + 0.55 * np.array([230.0, 30.0, 60.0])
            pair.append(shown.astype(np.uint8))
        rows.append(np.concatenate(pair, axis=1))
    half = (len(rows) + 1) // 2
    while len(rows) < 2 * half:
        rows.append(np.full_like(rows[0], 255))
    sheet = np.concatenate(
        [np.concatenate(rows[:half], axis=0), np.concatenate(rows[half:], axis=0)], axis=1
    )
    with atomic.replacing(folder / "examples.jpg") as temporary:
        Image.fromarray(sheet).save(temporary, "JPEG", quality=88)


def _report(
    folder: Path, run: str, metrics: Mapping[str, Any], constant: Mapping[str, float]
) -> Path:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from train.report import decimal, percent

    environment = Environment(
        loader=PackageLoader("train"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = [
        [
            name,
            str(each["pictures"]),
            decimal(each["iou"]),
            decimal(constant[name]),
            decimal(each["dice"]),
            percent(each["recall"]),
            percent(each["precision"]),
        ]
        for name, each in metrics["per_class"].items()
    ]
    text = environment.get_template("table.html").render(
        title="Damage masks",
        subtitle=f"{run} · test split, {metrics['n']} pictures",
        note="IoU over all pixels of all pictures; the constant mask is the best that one mask for "
        "every picture can do. Recall and precision count pictures in which the class was found. "
        "Below: truth left, found right.",
        columns=["class", "pictures", "IoU", "constant", "Dice", "recall", "precision"],
        rows=rows,
        highlight=None,
        plots=["examples.jpg"],
    )
    path = folder / "report.html"
    atomic.write_text(path, text)
    return path
