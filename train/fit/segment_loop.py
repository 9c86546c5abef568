"""One stage of training a segmenter: epochs, loss, and a state that survives a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.backbones.quiet_tensorflow import import_tensorflow
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.progress import SILENT, Progress
from train.fit.loop import History
from train.fit.memory import with_room
from train.fit.state import restore, save_state, snapshot, take_up
from train.metrics.masks import mask_summary
from train.models.inference import predict
from train.recipes.segment_recipe import SegmentRecipe, SegmentStage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.uint8], NDArray[np.uint8]]

PREDICT_BATCH = 8


def fit_stage(
    model: keras.Model,
    training: Pairs,
    validation: Pairs,
    recipe: SegmentRecipe,
    stage: SegmentStage,
    *,
    seed: int,
    state: Path | None = None,
    progress: Progress = SILENT,
) -> History:
    """Train a segmenter in place and leave it with the weights of its best epoch.

    Parameters
    ----------
    model : keras.Model
        A U-Net with the stage's layers unfrozen.
    training, validation : (pixels, masks)
        As `train.data.mask_samples.load_pairs` returns them.
    recipe : SegmentRecipe
        Loss, flips, level.
    stage : SegmentStage
        Epochs, batch size, learning rate.
    seed : int
        Of the order and the flips, which depend on it and the epoch's number alone.
    state : Path, optional
        Where weights and optimiser are kept after every epoch; when it is there already, training
        goes on after the last epoch it holds.
    progress : Progress
        Told of each epoch.

    Returns
    -------
    History
        With ``loss``, ``val_iou``, ``learning_rate`` and ``seconds`` of every epoch.

    Raises
    ------
    BodyshopError
        The loss is no longer a number, or not even the smallest batch fits into memory.
    """

    def attempt(size: int) -> History:
        return _fit(model, training, validation, recipe, stage, size, seed, state, progress)

    return with_room(
        attempt, stage.batch_size, stage=stage.name, model=model, state=state, progress=progress
    )


def freeze_encoder(model: keras.Model, encoder: Sequence[str], stage: SegmentStage) -> None:
    """Let the encoder learn from a stage's block on; its batch normalisation never does.

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
    truth: Any, predicted: Any, dice_weight: float, focal: float = 0.0
) -> Any:
    """Return the mean over classes of (1 - w) cross-entropy + w (1 - Dice), soft, over the batch.

    Milletari et al. 2016 (arXiv:1606.04797) for Dice; the constant 1 keeps empty masks defined.
    With `focal` above 0 the cross-entropy is the focal loss of that exponent (Lin et al. 2017,
    arXiv:1708.02002), without its class weight: Dice sees to the rare class.
    """
    tf = import_tensorflow()
    tiny = 1e-6
    predicted = tf.clip_by_value(predicted, tiny, 1 - tiny)
    right = truth * predicted + (1 - truth) * (1 - predicted)
    each = -tf.math.log(right)
    entropy = tf.reduce_mean((1 - right) ** focal * each if focal else each)
    overlap = tf.reduce_sum(truth * predicted, axis=(0, 1, 2))
    total = tf.reduce_sum(truth + predicted, axis=(0, 1, 2))
    dice = tf.reduce_mean((2 * overlap + 1) / (total + 1))
    return (1 - dice_weight) * entropy + dice_weight * (1 - dice)


def _fit(
    model: keras.Model,
    training: Pairs,
    validation: Pairs,
    recipe: SegmentRecipe,
    stage: SegmentStage,
    size: int,
    seed: int,
    state: Path | None,
    progress: Progress,
) -> History:
    import keras

    optimizer = keras.optimizers.Adam(stage.learning_rate, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    history, best, best_iou = History(stage.name, batch_size=size), None, -1.0
    saved = take_up(state, model, optimizer, progress)
    if saved is not None:
        history, best_iou = History(**saved.meta["history"]), saved.meta["best_iou"]
        size, best = history.batch_size, saved.best
        if saved.meta["finished"]:
            return history
        progress.log(f"stage '{stage.name}' goes on after epoch {len(history.epochs)}")
    step = _training_step(model, optimizer, recipe)
    with progress.task(f"train {stage.name}", total=stage.epochs) as tick:
        tick(len(history.epochs))
        for epoch in range(len(history.epochs), stage.epochs):
            began = time.monotonic()
            losses, rate = _epoch(step, optimizer, training, recipe, stage, size, seed, epoch)
            iou = _validation_iou(model, validation, recipe.level)
            history.step_losses += losses
            history.epochs.append(
                {
                    "epoch": epoch + 1,
                    "loss": float(np.mean(losses)),
                    "val_iou": iou,
                    "learning_rate": rate,
                    "seconds": time.monotonic() - began,
                }
            )
            history.seconds += history.epochs[-1]["seconds"]
            if iou > best_iou:
                best_iou, history.best_epoch, best = iou, epoch + 1, snapshot(model)
            done = epoch + 1 == stage.epochs
            if done and best is not None:
                restore(model, best)
            if state is not None:
                meta = {"history": history.as_dict(), "best_iou": best_iou, "finished": done}
                save_state(state, meta, model, optimizer, best)
            tick(1, f"val_iou {iou:.3f}")
    return history


def _epoch(
    step: Any,
    optimizer: Any,
    training: Pairs,
    recipe: SegmentRecipe,
    stage: SegmentStage,
    size: int,
    seed: int,
    epoch: int,
) -> tuple[list[float], float]:
    """Run one epoch; returns the loss of every step and the last learning rate."""
    pixels, masks = training
    steps = math.ceil(len(pixels) / size)
    random = np.random.default_rng([seed, epoch])
    order, losses, rate = random.permutation(len(pixels)), [], 0.0
    for index in range(steps):
        places = order[index * size : (index + 1) * size]
        x, y = pixels[places].astype(np.float32), masks[places].astype(np.float32)
        if recipe.flip:
            turned = random.random(len(places)) < 0.5
            x[turned], y[turned] = x[turned, :, ::-1], y[turned, :, ::-1]
        done = (epoch * steps + index) / (steps * stage.epochs)
        rate = stage.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
        optimizer.learning_rate.assign(rate)
        loss = float(step(x, y))
        if not math.isfinite(loss):
            raise BodyshopError(
                f"the loss became {loss} in epoch {epoch + 1} of stage '{stage.name}'",
                hint="lower that stage's learning_rate",
            )
        losses.append(loss)
    return losses, rate


def _training_step(model: keras.Model, optimizer: Any, recipe: SegmentRecipe) -> Any:
    tf = import_tensorflow()

    @tf.function(reduce_retracing=True)
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            predicted = model(x, training=True)
            loss = dice_and_cross_entropy(y, predicted, recipe.dice_weight, recipe.focal)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return lambda x, y: step(tf.constant(x), tf.constant(y))


def _validation_iou(model: keras.Model, validation: Pairs, level: float) -> float:
    pixels, truth = validation
    names = [str(index) for index in range(truth.shape[-1])]
    found = mask_summary(truth, predict(model, pixels, batch=PREDICT_BATCH), names, level=level)
    return float(found["mean_iou"] or 0.0)
