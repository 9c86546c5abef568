"""From masks to a trained segmenter, in memory: its objective, and its stages one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.fit.loop import History, fit
from train.fit.runtime import seed_everything
from train.fit.step import mirrored
from train.metrics.masks import mask_summary
from train.models.inference import predict
from train.models.segmenter import PREDICT_BATCH
from train.models.unet import build_unet
from train.recipes.recipe import Stage
from train.recipes.segment_recipe import SegmentRecipe, SegmentStage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from train.fit.feed import Batch
    from train.fit.step import Part

    Pairs = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def learn_masks(
    recipe: SegmentRecipe,
    classes: Sequence[str],
    training: Pairs,
    validation: Pairs,
    *,
    weights: str | Path | None = None,
    seed: int = 7,
    state: Path | None = None,
    devices: int = 1,
    mark: Callable[[str], None] = lambda name: None,
    progress: Progress = SILENT,
) -> tuple[keras.Model, list[History]]:
    """Build a recipe's U-Net and train it stage by stage.

    Parameters
    ----------
    recipe : SegmentRecipe
        What to train.
    classes : Sequence of str
        Order of the mask channels.
    training, validation : (pixels, masks)
        As `train.data.mask_samples.load_pairs` returns them.
    weights : str, Path or None
        The encoder's weights instead of the recipe's.
    seed : int
        Of everything random.
    state : Path, optional
        Folder of the stages' states; training goes on from what is there.
    devices : int
        GPUs, or logical CPUs without one, over which each batch is split.
    mark : callable
        Told the name of each stage when it ends.
    progress : Progress
        Told of each epoch.

    Raises
    ------
    UsageError
        The network can't be built as the recipe says, the encoder has no such block, or there are
        not that many devices.
    BodyshopError
        The loss diverged, or not even the smallest batch fits into memory.
    """
    strategy = mirrored(devices)
    seed_everything(seed)
    with strategy.scope() if strategy is not None else nullcontext():
        model, encoder = build_unet(
            recipe.backbone,
            len(classes),
            side=recipe.input_size,
            decoder=recipe.decoder,
            weights=weights if weights is not None else recipe.weights,
            synchronized=strategy is not None,
        )
    histories = []
    for index, stage in enumerate(recipe.stages):
        freeze_encoder(model, encoder, stage)
        histories.append(
            fit(
                model,
                MaskObjective(training, validation, recipe, stage.as_stage()),
                seed=seed,
                strategy=strategy,
                state=state / f"{index}-{stage.name}.npz" if state is not None else None,
                progress=progress,
            )
        )
        mark(stage.name)
    return model, histories


def freeze_encoder(model: keras.Model, encoder: Sequence[str], stage: SegmentStage) -> None:
    """Unfreeze the encoder from a stage's block on; its batch normalisation stays frozen.

    Raises
    ------
    UsageError
        The encoder has no such block.
    """
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


def dice_and_cross_entropy(
    truth: Any, predicted: Any, dice_weight: float, focal: float = 0.0, part: Part | None = None
) -> Any:
    """Return the mean over classes of (1 - w) cross-entropy + w (1 - Dice), soft, over the batch.

    Milletari et al. 2016 (arXiv:1606.04797) for Dice; the constant 1 keeps empty masks defined.
    With `focal` above 0 the cross-entropy is the focal loss of that exponent (Lin et al. 2017,
    arXiv:1708.02002), without its class weight: the Dice term accounts for rare classes.

    With `part`, return one device's part: overlaps and areas are summed over all devices before
    they are divided, so that it is the Dice coefficient of the whole batch.
    """
    tf = import_tensorflow()
    tiny = 1e-6
    predicted = tf.clip_by_value(predicted, tiny, 1 - tiny)
    right = truth * predicted + (1 - truth) * (1 - predicted)
    each = -tf.math.log(right)
    entropy = tf.reduce_mean((1 - right) ** focal * each if focal else each)
    overlap = tf.reduce_sum(truth * predicted, axis=(0, 1, 2))
    total = tf.reduce_sum(truth + predicted, axis=(0, 1, 2))
    if part is not None:
        overlap, total = part.add(overlap / part.copies), part.add(total / part.copies)
    dice = tf.reduce_mean((2 * overlap + 1) / (total + 1))
    if part is None:
        return (1 - dice_weight) * entropy + dice_weight * (1 - dice)
    return (1 - dice_weight) * entropy * part.share + dice_weight * (1 - dice) / part.devices


@dataclass(frozen=True)
class MaskObjective:
    """A segmenter's objective; see `train.fit.loop.Objective`.

    Parameters
    ----------
    training, validation : (pixels, masks)
        uint8, shapes (n, side, side, 3) and (n, side, side, classes).
    recipe : SegmentRecipe
        Loss, flips, level.
    stage : Stage
        How to train.
    """

    training: Pairs
    validation: Pairs
    recipe: SegmentRecipe
    stage: Stage

    @property
    def target_shape(self) -> tuple[int | None, ...]:
        """One mask per class."""
        return self.training[1].shape[1:]

    @property
    def shown(self) -> str:
        """The mean overlap on validation."""
        return "val_iou"

    def __len__(self) -> int:
        return len(self.training[0])

    @property
    def types(self) -> tuple[Any, Any]:
        """Bytes both."""
        return np.uint8, np.uint8

    @property
    def quick(self) -> bool:
        """Not with pictures."""
        return False

    def draw(self, random: np.random.Generator, epoch: int) -> NDArray[np.int64]:
        """Return the places of all pairs in random order, and which of them are mirrored."""
        order = random.permutation(len(self))
        turned = random.random(len(order)) < 0.5 if self.recipe.flip else np.zeros(len(order))
        return np.column_stack([order, turned.astype(np.int64)])

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """Return the drawn pairs; all weigh the same."""
        places, turned = rows[:, 0], rows[:, 1] == 1
        x, y = (each[places] for each in self.training)
        x[turned], y[turned] = x[turned, :, ::-1], y[turned, :, ::-1]
        return x, y, np.ones(len(places), np.float32)

    def loss(self, targets: Any, outputs: Any, weight: Any, part: Part | None = None) -> Any:
        """Return Dice and cross-entropy of the batch as a whole; all pictures weigh the same."""
        recipe = self.recipe
        return dice_and_cross_entropy(targets, outputs, recipe.dice_weight, recipe.focal, part)

    def count(self, targets: Any, outputs: Any) -> Mapping[str, Any]:
        """Return nothing: overlap is no mean over the batches of an epoch."""
        return {}

    def validate(self, model: keras.Model) -> dict[str, float]:
        """Return the mean overlap on validation."""
        pixels, truth = self.validation
        names = [str(index) for index in range(truth.shape[-1])]
        predicted = predict(model, pixels, batch=PREDICT_BATCH)
        if not np.isfinite(predicted).all():
            return {"val_iou": float("nan")}  # the loop says in which epoch it happened
        found = mask_summary(truth, predicted, names, level=self.recipe.level)
        return {"val_iou": float(found["mean_iou"] or 0.0)}

    def score(self, entry: Mapping[str, float]) -> float:
        """Return the mean overlap."""
        return entry["val_iou"]
