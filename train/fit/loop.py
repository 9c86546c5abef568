"""The training loop: epochs, schedule, early stopping, and a state that survives a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.fit.feed import Feed
from train.fit.state import restore, save_state, snapshot, take_up
from train.fit.step import Loss, training_step
from train.recipes.recipe import Optimizer, Stage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

LEAST_GAIN = 1e-9
"""A validation score must rise by more than this to be a better one."""

SMALLEST_BATCH = 2
"""Batches are halved down to this size when they do not fit into memory."""

LOOKED_AT = 100
"""Steps after which their losses are fetched: a fetch waits until the device has no more work."""


class Objective(Loss, Protocol):
    """What a model is trained for: the data, the loss, and the figures of an epoch."""

    @property
    def stage(self) -> Stage:
        """Epochs, batches, optimiser, schedule and early stopping."""

    @property
    def shown(self) -> str:
        """The figure that progress bars show."""

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
    strategy: Any = None,
    jit_compile: bool = False,
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
    strategy : tf.distribute.Strategy, optional
        In whose scope the model was made: each batch is split over its devices.
    jit_compile : bool
        Compile the step with XLA.
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
            with strategy.scope() if strategy is not None else nullcontext():
                optimizer = make_optimizer(stage.optimizer)
                optimizer.build(model.trainable_variables)
            step = training_step(
                model, optimizer, objective, strategy=strategy, jit_compile=jit_compile
            )
            feed = Feed(objective, size, seed)
            return _fit(model, objective, optimizer, step, feed, state, progress, on_epoch)
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
    optimizer: Any,
    step: Any,
    feed: Feed,
    state: Path | None,
    progress: Progress,
    on_epoch: Callable[[History], None] | None,
) -> History:
    stage = objective.stage
    current = _StageState(History(stage.name, batch_size=feed.size))
    saved = take_up(state, model, optimizer, progress)
    if saved is not None:
        meta = {**saved.meta, "history": History(**saved.meta["history"])}
        current = _StageState(**meta, best=saved.best)
        if current.finished:
            return current.history
        progress.log(f"stage '{stage.name}' goes on after epoch {len(current.history.epochs)}")
    history = current.history
    with progress.task(f"train {stage.name}", total=stage.epochs) as tick:
        tick(len(history.epochs))
        while not current.finished:
            began, epoch = time.monotonic(), len(history.epochs)
            figures, rate = _epoch(step, optimizer, objective, history, feed, epoch)
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
    step: Any, optimizer: Any, objective: Objective, history: History, feed: Feed, epoch: int
) -> tuple[dict[str, float], float]:
    """Run one epoch; returns its figures, means over the rows, and the last learning rate."""
    stage, rate = objective.stage, 0.0
    sums: dict[str, float] = {}
    waiting: list[tuple[int, Any, Any, float]] = []
    for index, (x, y, weight) in enumerate(feed.epoch(epoch)):
        rate = learning_rate(stage, epoch * feed.steps + index, feed.steps * stage.epochs)
        optimizer.learning_rate.assign(rate)
        loss, counts = step(x, y, weight)
        waiting.append((len(x), loss, counts, rate))
        if len(waiting) == LOOKED_AT or index == feed.steps - 1:
            _note(waiting, history, sums, f"epoch {epoch + 1}", index + 1 - len(waiting))
            waiting = []
    return {name: value / len(objective) for name, value in sums.items()}, rate


def _note(
    steps: list[tuple[int, Any, Any, float]],
    history: History,
    sums: dict[str, float],
    epoch: str,
    before: int,
) -> None:
    """Add some steps, the first of which comes after `before` others, to an epoch's figures."""
    tf = import_tensorflow()
    found = tf.stack([loss for _, loss, _, _ in steps]).numpy()
    counted = {
        name: tf.stack([counts[name] for _, _, counts, _ in steps]).numpy() for name in steps[0][2]
    }
    for place, (rows, _, _, rate) in enumerate(steps):
        current = float(found[place])
        if not math.isfinite(current):
            raise BodyshopError(
                f"the loss became {current} in {epoch}, batch {before + place + 1} of stage "
                f"'{history.stage}' (learning rate {rate:.2g})",
                hint="lower that stage's learning_rate, or clip its gradients (clipnorm: 1.0)",
            )
        history.step_losses.append(current)
        figures = {name: float(values[place]) for name, values in counted.items()}
        for name, value in {"loss": current * rows, **figures}.items():
            sums[name] = sums.get(name, 0.0) + value


def _require_finite(entry: Mapping[str, float], stage: Stage) -> None:
    for name, value in entry.items():
        if not math.isfinite(value):
            raise BodyshopError(
                f"{name} became {value} in epoch {entry['epoch']:.0f} of stage '{stage.name}'",
                hint="lower that stage's learning_rate, or clip its gradients (clipnorm: 1.0)",
            )
