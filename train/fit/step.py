"""One training step, compiled: on one device, or split over several of one machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bodyshop_core.errors import UsageError
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.fit.feed import Source

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Part:
    """What one of several devices has of a batch.

    Parameters
    ----------
    share : scalar tensor
        Of the batch's loss, 0 to 1.
    copies : scalar tensor
        How many devices have these very rows: 1, or all where there are fewer rows than devices.
    devices : int
        How many there are.
    """

    share: Any
    copies: Any
    devices: int

    def add(self, value: Any) -> Any:
        """Return the sum of all devices' values; gradients flow through it."""
        tf = import_tensorflow()
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


class Loss(Source, Protocol):
    """What a step computes on the batches of a source."""

    @property
    def target_shape(self) -> tuple[int | None, ...]:
        """Shape of one row of the targets."""

    def loss(self, targets: Any, outputs: Any, weight: Any, part: Part | None = None) -> Any:
        """Return the loss of a batch, without regularisation, as a scalar tensor.

        With `part`, of one device: what all devices return adds up to the loss of the batch.
        """

    def count(self, targets: Any, outputs: Any) -> Mapping[str, Any]:
        """Return figures of a batch, summed over its rows, as scalar tensors."""


def mirrored(devices: int) -> Any:
    """Return the strategy that trains one model on several devices; None for one device.

    Parameters
    ----------
    devices : int
        How many GPUs, or logical CPUs on a machine without a GPU.

    Raises
    ------
    UsageError
        This machine doesn't have that many.
    """
    if devices == 1:
        return None
    tf = import_tensorflow()
    names = [each.name for kind in ("GPU", "CPU") for each in tf.config.list_logical_devices(kind)]
    kind = "GPU" if any("GPU" in name for name in names) else "CPU"
    names = [name for name in names if kind in name]
    if not 1 < devices <= len(names):
        raise UsageError(
            f"{devices} devices were asked for, and TensorFlow sees {len(names)} {kind} here",
            hint="--devices counts GPUs; pip install 'bodyshop[gpu]' brings what TensorFlow needs "
            "for those of NVIDIA",
        )
    return _strategy(tuple(names[:devices]))


@cache
def _strategy(names: tuple[str, ...]) -> Any:
    # One for all models of a process: a second one would number its sums from the start again, and
    # TensorFlow takes sums of one number but different sizes for an error.
    return import_tensorflow().distribute.MirroredStrategy(names)


def training_step(
    model: keras.Model,
    optimizer: Any,
    objective: Loss,
    *,
    strategy: Any = None,
    jit_compile: bool = False,
) -> Any:
    """Return a compiled function (x, y, weight) -> (loss, figures) that also moves the weights.

    Parameters
    ----------
    model : keras.Model
        Made in the scope of `strategy`, as is `optimizer`.
    optimizer : keras.optimizers.Optimizer
        Built.
    objective : Loss
        What is minimised.
    strategy : tf.distribute.Strategy, optional
        Over whose devices each batch is split; gradients are summed, so that the step is that of
        the whole batch.
    jit_compile : bool
        Compile with XLA.
    """
    tf = import_tensorflow()

    def gradients(x: Any, y: Any, weight: Any, share: Any = None, copies: Any = None) -> Any:
        part = None if share is None else Part(share, copies, strategy.num_replicas_in_sync)
        x, y = tf.cast(x, tf.float32), tf.cast(y, tf.float32)
        with tf.GradientTape() as tape:
            outputs = model(x, training=True)
            loss = objective.loss(y, outputs, weight, part)
            penalty = tf.add_n(model.losses) if model.losses else None
            if part is not None and penalty is not None:
                penalty = penalty / part.devices
            loss = loss + penalty if penalty is not None else loss
        return loss, objective.count(y, outputs), tape.gradient(loss, model.trainable_variables)

    if strategy is not None:
        return _mirrored_step(model, optimizer, gradients, strategy, jit_compile)
    x_type, y_type = objective.types

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, *model.input_shape[1:]], x_type),
            tf.TensorSpec([None, *objective.target_shape], y_type),
            tf.TensorSpec([None], tf.float32),
        ],
        autograph=False,
        jit_compile=jit_compile or None,
    )
    def step(x: Any, y: Any, weight: Any) -> Any:
        loss, figures, found = gradients(x, y, weight)
        optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
        return loss, figures

    return step


def _mirrored_step(
    model: keras.Model, optimizer: Any, gradients: Any, strategy: Any, jit_compile: bool
) -> Any:
    tf, devices = import_tensorflow(), strategy.num_replicas_in_sync
    if jit_compile:
        gradients = tf.function(gradients, autograph=False, jit_compile=True)
    # Keras clips before it sums over the devices, which is not the clipping of the whole batch.
    clipnorm, optimizer.clipnorm = optimizer.clipnorm, None

    def one(x: Any, y: Any, weight: Any, share: Any, copies: Any) -> Any:
        loss, figures, found = gradients(x, y, weight, share, copies)
        if clipnorm is not None:
            context = tf.distribute.get_replica_context()
            whole = context.all_reduce(tf.distribute.ReduceOp.SUM, found)
            found = [tf.clip_by_norm(each, clipnorm) / devices for each in whole]
        optimizer.apply_gradients(zip(found, model.trainable_variables, strict=True))
        return loss, {name: value / copies for name, value in figures.items()}

    @tf.function(autograph=False, reduce_retracing=True)
    def all_devices(*batch: Any) -> Any:
        loss, figures = strategy.run(one, args=batch)
        total = tf.distribute.ReduceOp.SUM
        return strategy.reduce(total, loss, axis=None), {
            name: strategy.reduce(total, value, axis=None) for name, value in figures.items()
        }

    def step(x: Any, y: Any, weight: Any) -> Any:
        rows = len(x)
        ends = np.linspace(0, rows, devices + 1).round().astype(int)

        def part(context: Any) -> Any:
            place = context.replica_id_in_sync_group
            start, end = ends[place], ends[place + 1]
            kept, share, copies = slice(start, end), (end - start) / rows, 1
            if rows < devices:
                # All compute the whole batch. Repeated as a whole it has the same mean and
                # variance, which a row that only keeps an idle device busy would change.
                kept, share, copies = slice(None), 1 / devices, devices
            numbers = (tf.constant(each, tf.float32) for each in (share, copies))
            return x[kept], y[kept], weight[kept], *numbers

        return all_devices(*strategy.experimental_distribute_values_from_function(part))

    return step
