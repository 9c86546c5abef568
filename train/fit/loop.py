"""One stage of training: epochs, schedule, early stopping, and a state that survives a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.backbones.quiet_tensorflow import import_tensorflow
from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from train.fit.memory import with_room
from train.fit.state import restore, save_state, snapshot, take_up
from train.models.inference import as_distribution, predict
from train.recipes.recipe import Optimizer, Stage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Rows:
    """Inputs and targets of one split.

    Parameters
    ----------
    x : ndarray, shape (n, ...)
        Pixels (uint8) or cached features (float16, float32).
    y : ndarray of float32, shape (n, classes)
        One-hot.
    weight : ndarray of float32, shape (n,)
        Weight of each row in the loss.
    distort : callable, optional
        (rows of x, their places, epoch) -> rows of x, drawn anew in every epoch.
    """

    x: NDArray[Any]
    y: NDArray[np.float32]
    weight: NDArray[np.float32]
    distort: Callable[[NDArray[Any], NDArray[np.int64], int], NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def batches(
        self, size: int, order: NDArray[np.int64], epoch: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
        """Yield (x, y, weight) in float32, in the given order."""
        for start in range(0, len(order), size):
            places = order[start : start + size]
            x = self.x[places]
            if self.distort is not None:
                x = self.distort(x, places, epoch)
            yield x.astype(np.float32), self.y[places], self.weight[places]


@dataclass
class History:
    """What happened in a stage; JSON-able."""

    stage: str
    epochs: list[dict[str, float]] = field(default_factory=list)
    step_losses: list[float] = field(default_factory=list)
    best_epoch: int = 0
    stopped: str = "epochs"
    batch_size: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def fit(
    model: keras.Model,
    training: Rows,
    validation: Rows,
    stage: Stage,
    *,
    seed: int,
    state: Path | None = None,
    progress: Progress = SILENT,
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train a model in place and leave it with the weights the stage keeps.

    Parameters
    ----------
    model : keras.Model
        Ends in probabilities: softmax (n, classes), or a sigmoid (n, 1) for the second class.
    training, validation : Rows
        The data; the order of each epoch depends on `seed` and its number alone.
    stage : Stage
        How to train.
    seed : int
        Of the order of the rows.
    state : Path, optional
        Where weights, optimiser, early stopping and random states are kept after every epoch. When
        it is there already, training goes on after the last epoch it holds.
    progress : Progress
        Told of each epoch.
    on_epoch : callable, optional
        Called with the history after each epoch, before the state is written.

    Raises
    ------
    BodyshopError
        The loss is no longer a number, or not even the smallest batch fits into memory.
    """

    def attempt(size: int) -> History:
        return _fit(model, training, validation, stage, size, seed, state, progress, on_epoch)

    return with_room(
        attempt, stage.batch_size, stage=stage.name, model=model, state=state, progress=progress
    )


def make_optimizer(spec: Optimizer) -> Any:
    """Build the Keras optimiser of a recipe."""
    import keras

    common: dict[str, Any] = {"learning_rate": spec.learning_rate, "clipnorm": spec.clipnorm}
    if spec.name == "sgd":
        return keras.optimizers.SGD(momentum=spec.momentum, **common)
    if spec.name == "rmsprop":
        return keras.optimizers.RMSprop(momentum=spec.momentum, **common)
    if spec.name == "adamw":
        return keras.optimizers.AdamW(weight_decay=spec.weight_decay, **common)
    return keras.optimizers.Adam(**common)


def learning_rate(stage: Stage, step: int, steps: int) -> float:
    """Return the rate of a step: linear warm-up, then constant or half a cosine down to 0."""
    top, warm = stage.optimizer.learning_rate, int(stage.warmup * steps)
    if step < warm:
        return top * (step + 1) / warm
    if stage.schedule == "constant":
        return top
    return top * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _fit(
    model: keras.Model,
    training: Rows,
    validation: Rows,
    stage: Stage,
    size: int,
    seed: int,
    state: Path | None,
    progress: Progress,
    on_epoch: Callable[[History], None] | None,
) -> History:
    optimizer = make_optimizer(stage.optimizer)
    optimizer.build(model.trainable_variables)
    history, best, best_value, waited = History(stage.name, batch_size=size), None, math.inf, 0
    saved = take_up(state, model, optimizer, progress)
    if saved is not None:
        history = History(**saved.meta["history"])
        best_value, waited = saved.meta["best_value"], saved.meta["waited"]
        size, best = history.batch_size, saved.best
        if saved.meta["finished"]:
            return history
        progress.log(f"stage '{stage.name}' goes on after epoch {len(history.epochs)}")
    step = _training_step(model, optimizer, stage.label_smoothing)
    per_epoch = math.ceil(len(training) / size)
    total = per_epoch * stage.epochs
    with progress.task(f"train {stage.name}", total=stage.epochs) as tick:
        tick(len(history.epochs))
        for epoch in range(len(history.epochs), stage.epochs):
            began = time.monotonic()
            order = np.random.default_rng([seed, epoch]).permutation(len(training))
            sums = np.zeros(3)
            for index, (x, y, weight) in enumerate(training.batches(size, order, epoch)):
                rate = learning_rate(stage, epoch * per_epoch + index, total)
                optimizer.learning_rate.assign(rate)
                loss, right = step(x, y, weight)
                current = float(loss)
                if not math.isfinite(current):
                    raise BodyshopError(
                        f"the loss became {current} in epoch {epoch + 1}, batch {index + 1} of "
                        f"stage '{stage.name}' (learning rate {rate:.2g})",
                        hint="lower that stage's optimizer.learning_rate, or set clipnorm: 1.0",
                    )
                history.step_losses.append(current)
                sums += np.array([current * len(y), float(right), len(y)])
            probabilities = as_distribution(predict(model, validation.x))
            entry = _entry(epoch, sums, rate, validation.y, probabilities, began)
            history.epochs.append(entry)
            history.seconds += entry["seconds"]
            key = entry["val_loss"] if stage.monitor == "loss" else -entry["val_accuracy"]
            better = key < best_value - 1e-9
            waited = 0 if better else waited + 1
            if better:
                best_value, history.best_epoch, best = key, epoch + 1, snapshot(model)
            done = epoch + 1 == stage.epochs
            if stage.patience is not None and waited >= stage.patience:
                history.stopped, done = "early", True
            if done and stage.keep == "best" and best is not None:
                restore(model, best)
            if on_epoch is not None:
                on_epoch(history)
            if state is not None:
                meta = {
                    "history": history.as_dict(),
                    "best_value": best_value,
                    "waited": waited,
                    "finished": done,
                }
                save_state(state, meta, model, optimizer, best)
            tick(1, f"val_accuracy {entry['val_accuracy']:.3f}")
            if done:
                break
    return history


def _entry(
    epoch: int,
    sums: NDArray[np.float64],
    rate: float,
    truth: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    began: float,
) -> dict[str, float]:
    picked = np.clip((probabilities * truth).sum(axis=1), 1e-7, 1.0)
    return {
        "epoch": epoch + 1,
        "loss": float(sums[0] / sums[2]),
        "accuracy": float(sums[1] / sums[2]),
        "val_loss": float(-np.log(picked).mean()),
        "val_accuracy": float((probabilities.argmax(1) == truth.argmax(1)).mean()),
        "learning_rate": rate,
        "seconds": time.monotonic() - began,
    }


def _training_step(model: keras.Model, optimizer: Any, smoothing: float) -> Any:
    import keras

    tf = import_tensorflow()
    single = model.output_shape[-1] == 1
    shape = [None, *model.input_shape[1:]]

    def loss_of(y: Any, outputs: Any) -> Any:
        if single:
            return keras.losses.binary_crossentropy(y[:, 1:], outputs, label_smoothing=smoothing)
        return keras.losses.categorical_crossentropy(y, outputs, label_smoothing=smoothing)

    @tf.function(
        input_signature=[
            tf.TensorSpec(shape, tf.float32),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def step(x: Any, y: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = tf.reduce_mean(loss_of(y, outputs) * weight)
            if model.losses:
                loss += tf.add_n(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        chosen = tf.cast(outputs[:, 0] >= 0.5, tf.int64) if single else tf.argmax(outputs, 1)
        right = tf.reduce_sum(tf.cast(tf.equal(chosen, tf.argmax(y, 1)), tf.float32))
        return loss, right

    return step
