"""The learning rate range test: how the loss answers to ever larger steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.progress import SILENT, Progress
from train.fit.feed import Feed
from train.fit.loop import Objective, make_optimizer
from train.fit.step import training_step

if TYPE_CHECKING:
    import keras

LOWEST, HIGHEST = 1e-6, 1.0
STEPS = 100
SMOOTHING = 0.9
"""Of the moving mean of the loss, corrected for its start."""

DIVERGED = 4.0
"""The test ends when the mean is this many times its lowest."""


@dataclass(frozen=True)
class RateTest:
    """Learning rates and the loss at each.

    Parameters
    ----------
    stage : str
        Whose optimiser, batches and trainable layers were used.
    configured : float
        The stage's own learning rate.
    rates, losses, means : tuple of float
        Learning rate, loss and moving mean of the loss of every step.
    """

    stage: str
    configured: float
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    means: tuple[float, ...]

    @property
    def suggested(self) -> float:
        """A tenth of the rate with the lowest mean, as fastai's ``minimum`` suggests."""
        return self.rates[int(np.argmin(self.means))] / 10


def rate_test(
    model: keras.Model, objective: Objective, *, seed: int, progress: Progress = SILENT
) -> RateTest:
    """Train with a rate that grows from step to step (Smith 2017, arXiv:1506.01186).

    The model is of no use afterwards.

    Parameters
    ----------
    model : keras.Model
        With the stage's layers unfrozen.
    objective : Objective
        What it is trained for.
    seed : int
        Of the order of the rows.
    progress : Progress
        Told of each step.
    """
    stage = objective.stage
    optimizer = make_optimizer(stage.optimizer)
    optimizer.build(model.trainable_variables)
    step = training_step(model, optimizer, objective)
    feed = Feed(objective, stage.batch_size, seed)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS).tolist()
    losses: list[float] = []
    means: list[float] = []
    mean = 0.0
    batches = (batch for epoch in count() for batch in feed.epoch(epoch))
    with progress.task("learning rate test", total=STEPS) as tick:
        for rate, (x, y, weight) in zip(rates, batches, strict=False):
            optimizer.learning_rate.assign(rate)
            loss = float(step(x, y, weight)[0])
            if not math.isfinite(loss):
                break
            losses.append(loss)
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            means.append(mean / (1 - SMOOTHING ** len(losses)))
            tick(1)
            if means[-1] > DIVERGED * min(means):
                break
    return RateTest(
        stage.name,
        stage.optimizer.learning_rate,
        tuple(rates[: len(losses)]),
        tuple(losses),
        tuple(means),
    )
