"""Training for labels: weighted cross-entropy, accuracy, early stopping on either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.models.inference import as_distribution, predict
from train.recipes.recipe import Stage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from train.data.pictures import Pictures
    from train.fit.feed import Batch
    from train.fit.step import Part


@dataclass(frozen=True)
class Rows:
    """Inputs and targets of one split.

    Parameters
    ----------
    x : ndarray or Pictures, shape (n, ...)
        Pixels (uint8), in memory or decoded when asked for, or cached features (float16, float32).
    y : ndarray of float32, shape (n, classes)
        One-hot.
    weight : ndarray of float32, shape (n,)
        Weight of each row in the loss.
    distort : callable, optional
        (rows of x, their places, epoch) -> rows of x, drawn anew in every epoch.
    """

    x: NDArray[Any] | Pictures
    y: NDArray[np.float32]
    weight: NDArray[np.float32]
    distort: Callable[[NDArray[Any], NDArray[np.int64], int], NDArray[Any]] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def load(self, places: NDArray[np.int64], epoch: int) -> Batch:
        """Return some rows as they are seen in an epoch."""
        x = self.x[places]
        if self.distort is not None:
            x = np.asarray(self.distort(x, places, epoch), self.x.dtype)
        return x, self.y[places], self.weight[places]


@dataclass(frozen=True)
class LabelObjective:
    """A classifier's objective; see `train.fit.loop.Objective`.

    The model ends in probabilities: softmax (n, classes), or a sigmoid (n, 1) for the second of two
    classes.

    Parameters
    ----------
    training, validation : Rows
        The data.
    stage : Stage
        How to train.
    """

    training: Rows
    validation: Rows
    stage: Stage

    @property
    def target_shape(self) -> tuple[int | None, ...]:
        """One-hot rows."""
        return (self.training.y.shape[1],)

    @property
    def shown(self) -> str:
        """The accuracy on validation."""
        return "val_accuracy"

    def __len__(self) -> int:
        return len(self.training)

    @property
    def types(self) -> tuple[Any, Any]:
        """Those of the training rows."""
        return self.training.x.dtype, np.float32

    @property
    def quick(self) -> bool:
        """Where rows are vectors in memory."""
        x, distort = self.training.x, self.training.distort
        in_memory = isinstance(x, np.ndarray) and not isinstance(x, np.memmap)
        return distort is None and in_memory and x.ndim == 2

    def draw(self, random: np.random.Generator, epoch: int) -> NDArray[np.int64]:
        """Return the places of all training rows in random order, each with the epoch."""
        order = random.permutation(len(self.training))
        return np.column_stack([order, np.full(len(order), epoch)])

    def load(self, rows: NDArray[np.int64]) -> Batch:
        """Return the drawn rows' inputs, one-hot targets and weights."""
        return self.training.load(rows[:, 0], int(rows[0, 1]))

    def loss(self, targets: Any, outputs: Any, weight: Any, part: Part | None = None) -> Any:
        """Return the mean weighted cross-entropy, or a device's part of it."""
        import keras

        tf, smoothing = import_tensorflow(), self.stage.label_smoothing
        if outputs.shape[-1] == 1:
            each = keras.losses.binary_crossentropy(
                targets[:, 1:], outputs, label_smoothing=smoothing
            )
        else:
            each = keras.losses.categorical_crossentropy(
                targets, outputs, label_smoothing=smoothing
            )
        mean = tf.reduce_mean(each * weight)
        return mean if part is None else mean * part.share

    def count(self, targets: Any, outputs: Any) -> Mapping[str, Any]:
        """Return the number of rows that are classified correctly."""
        tf = import_tensorflow()
        if outputs.shape[-1] == 1:
            chosen = tf.cast(outputs[:, 0] >= 0.5, tf.int64)
        else:
            chosen = tf.argmax(outputs, 1)
        correct = tf.equal(chosen, tf.argmax(targets, 1))
        return {"accuracy": tf.reduce_sum(tf.cast(correct, tf.float32))}

    def validate(self, model: keras.Model) -> dict[str, float]:
        """Return cross-entropy and accuracy on validation."""
        truth = self.validation.y
        probabilities = as_distribution(predict(model, self.validation.x))
        picked = np.clip((probabilities * truth).sum(axis=1), 1e-7, 1.0)
        return {
            "val_loss": float(-np.log(picked).mean()),
            "val_accuracy": float((probabilities.argmax(1) == truth.argmax(1)).mean()),
        }

    def score(self, entry: Mapping[str, float]) -> float:
        """Return what the stage monitors, the loss with its sign changed."""
        return -entry["val_loss"] if self.stage.monitor == "loss" else entry["val_accuracy"]
