"""The training loop: epochs, schedule, early stopping, and a state that survives a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.fit.state import restore, save_state, snapshot, take_up
from train.recipes.recipe import Optimizer, Stage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Batch = tuple[Floats, Floats, Floats]

LEAST_GAIN = 1e-9
"""A validation score must rise by more than this to be a better one."""

SMALLEST_BATCH = 2
"""Batches are halved down to this size when they do not fit into memory."""


class Objective(Protocol):
    """What a model is trained for: the data, the loss, and the figures of an epoch."""

    @property
    def stage(self) -> Stage:
        """Epochs, batches, optimiser, schedule and early stopping."""

    @property
    def target_shape(self) -> tuple[int | None, ...]:
        """Shape of one row of the targets."""

    @property
    def shown(self) -> str:
        """The figure that progress bars show."""

    def __len__(self) -> int:
        """Return the number of training rows."""

    def batches(self, size: int, random: np.random.Generator, epoch: int) -> Iterator[Batch]:
        """Yield one epoch's inputs, targets and row weights, in an order drawn from `random`."""

    def loss(self, targets: Any, outputs: Any, weight: Any) -> Any:
        """Return the loss of a batch, without regularisation, as a scalar tensor."""

    def count(self, targets: Any, outputs: Any) -> Mapping[str, Any]:
        """Return figures of a batch, summed over its rows, as scalar tensors."""

    def validate(self, model: keras.Model) -> dict[str, float]:
        """Return figures on the validation rows; their names begin with ``val_``."""

    def score(self, entry: Mapping[str, float]) -> float:
        """Return how good an epoch is: early stopping and `keep` follow the highest."""


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
    objective: Objective,
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
        With the stage's layers unfrozen; its outputs are what the objective expects.
    objective : Objective
        What it is trained for.
    seed : int
        Of the order of the rows, which depends on it and the number of the epoch alone.
    state : Path, optional
        Where weights, optimiser, early stopping and random states are kept after every epoch. When
        it is there already, training goes on after the last epoch it holds.
    progress : Progress
        Told of each epoch.
    on_epoch : callable, optional
        Called with the history after each epoch, before the state is written.

    Returns
    -------
    History
        ``loss``, the objective's figures, ``learning_rate`` and ``seconds`` of every epoch.

    Raises
    ------
    BodyshopError
        The loss or a validation figure is NaN or infinite, or not even the smallest batch fits
        into memory.
    """
    tf = import_tensorflow()
    stage, start = objective.stage, snapshot(model)
    size = stage.batch_size
    while True:
        try:
            return _fit(model, objective, size, seed, state, progress, on_epoch)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            if size // 2 < SMALLEST_BATCH:
                raise BodyshopError(
                    f"stage '{stage.name}' does not fit into memory, not even with batches of "
                    f"{size}",
                    hint="use a smaller backbone, a smaller input_size, or freeze more layers",
                ) from error
        size //= 2
        progress.log(f"out of memory: stage '{stage.name}' again with batches of {size}")
        restore(model, start)
        if state is not None:
            state.unlink(missing_ok=True)


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


@dataclass
class _StageState:
    """What the next epoch and early stopping depend on, besides weights and optimiser."""

    history: History
    best: list[NDArray[Any]] | None = None
    best_score: float = -math.inf
    waited: int = 0
    finished: bool = False

    def meta(self) -> dict[str, Any]:
        return {
            "history": self.history.as_dict(),
            "best_score": self.best_score,
            "waited": self.waited,
            "finished": self.finished,
        }

    def note(self, entry: dict[str, float], score: float, model: keras.Model, stage: Stage) -> None:
        """Take in an epoch, and restore the best one's weights when it is the last."""
        history = self.history
        history.epochs.append(entry)
        history.seconds += entry["seconds"]
        self.waited += 1
        if score > self.best_score + LEAST_GAIN:
            self.waited, self.best_score = 0, score
            history.best_epoch, self.best = len(history.epochs), snapshot(model)
        self.finished = len(history.epochs) == stage.epochs
        if stage.patience is not None and self.waited >= stage.patience:
            history.stopped, self.finished = "early", True
        if self.finished and stage.keep == "best" and self.best is not None:
            restore(model, self.best)


def _fit(
    model: keras.Model,
    objective: Objective,
    size: int,
    seed: int,
    state: Path | None,
    progress: Progress,
    on_epoch: Callable[[History], None] | None,
) -> History:
    stage = objective.stage
    optimizer = make_optimizer(stage.optimizer)
    optimizer.build(model.trainable_variables)
    current = _StageState(History(stage.name, batch_size=size))
    saved = take_up(state, model, optimizer, progress)
    if saved is not None:
        meta = {**saved.meta, "history": History(**saved.meta["history"])}
        current = _StageState(**meta, best=saved.best)
        if current.finished:
            return current.history
        progress.log(f"stage '{stage.name}' goes on after epoch {len(current.history.epochs)}")
    history = current.history
    step = training_step(model, optimizer, objective)
    with progress.task(f"train {stage.name}", total=stage.epochs) as tick:
        tick(len(history.epochs))
        while not current.finished:
            began, epoch = time.monotonic(), len(history.epochs)
            figures, rate = _epoch(step, optimizer, objective, history, seed, epoch)
            entry: dict[str, float] = {"epoch": epoch + 1, **figures, **objective.validate(model)}
            _require_finite(entry, stage)
            entry |= {"learning_rate": rate, "seconds": time.monotonic() - began}
            current.note(entry, objective.score(entry), model, stage)
            if on_epoch is not None:
                on_epoch(history)
            if state is not None:
                save_state(state, current.meta(), model, optimizer, current.best)
            tick(1, f"{objective.shown} {entry[objective.shown]:.3f}")
    return history


def _epoch(
    step: Any, optimizer: Any, objective: Objective, history: History, seed: int, epoch: int
) -> tuple[dict[str, float], float]:
    """Run one epoch; returns its figures, means over the rows, and the last learning rate."""
    stage, size, rate = objective.stage, history.batch_size, 0.0
    steps = math.ceil(len(objective) / size)
    sums: dict[str, float] = {}
    random = np.random.default_rng([seed, epoch])
    for index, (x, y, weight) in enumerate(objective.batches(size, random, epoch)):
        rate = learning_rate(stage, epoch * steps + index, steps * stage.epochs)
        optimizer.learning_rate.assign(rate)
        loss, counts = step(x, y, weight)
        current = float(loss)
        if not math.isfinite(current):
            raise BodyshopError(
                f"the loss became {current} in epoch {epoch + 1}, batch {index + 1} of stage "
                f"'{stage.name}' (learning rate {rate:.2g})",
                hint="lower that stage's learning_rate, or clip its gradients (clipnorm: 1.0)",
            )
        history.step_losses.append(current)
        for name, value in {"loss": current * len(x), **counts}.items():
            sums[name] = sums.get(name, 0.0) + float(value)
    return {name: value / len(objective) for name, value in sums.items()}, rate


def _require_finite(entry: Mapping[str, float], stage: Stage) -> None:
    for name, value in entry.items():
        if not math.isfinite(value):
            raise BodyshopError(
                f"{name} became {value} in epoch {entry['epoch']:.0f} of stage '{stage.name}'",
                hint="lower that stage's learning_rate, or clip its gradients (clipnorm: 1.0)",
            )


def training_step(model: keras.Model, optimizer: Any, objective: Objective) -> Any:
    """Return a compiled function (x, y, weight) -> (loss, figures) that also moves the weights."""
    tf = import_tensorflow()

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, *model.input_shape[1:]], tf.float32),
            tf.TensorSpec([None, *objective.target_shape], tf.float32),
            tf.TensorSpec([None], tf.float32),
        ]
    )
    def step(x: Any, y: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = objective.loss(y, outputs, weight)
            if model.losses:
                loss += tf.add_n(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss, objective.count(y, outputs)

    return step
