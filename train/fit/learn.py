"""From samples to a trained network, in memory: the part that a run and every fold share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from bodyshop_core.progress import SILENT, Progress
from train.data.affine import distorter
from train.data.pictures import Pictures
from train.data.pixels import TTA_VIEWS, View
from train.data.samples import Sample, Samples, show
from train.data.strata import balance_weights
from train.fit.augmenter import Augmenter, Distort, in_every_epoch
from train.fit.features import cut_features, load_pixels, worth_caching
from train.fit.labels import LabelObjective, Rows
from train.fit.loop import History, fit
from train.fit.rate_test import RateTest, rate_test
from train.fit.runtime import seed_everything
from train.fit.step import mirrored
from train.metrics.classification import losses, summary
from train.models.head import set_output
from train.models.inference import as_distribution, mean_over_views, predict
from train.models.linear_probe import fit_linear_probe
from train.models.network import Network, build_network, find_cut, set_trainable, split_at
from train.models.streamed_regression import probabilities
from train.recipes.recipe import Recipe, Stage

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Learned:
    """A trained network and how it came about.

    Parameters
    ----------
    network : Network
        With its final weights.
    view : View
        How pictures are converted to its input.
    histories : list of History
        One per stage.
    linear_probe : dict or None
        Test figures of the logistic regression on the pretrained features.
    features : Path
        The bottleneck cache.
    cut : str or None
        The layer up to which no stage changed anything, where its output is worth caching.
    tta_views : tuple of str
        In which of `train.data.pixels.TTA_VIEWS` a picture is shown; a prediction is their mean.
    """

    network: Network
    view: View
    histories: list[History]
    linear_probe: dict[str, Any] | None
    features: Path
    cut: str | None
    tta_views: tuple[str, ...] = ("centre",)

    def probabilities(self, samples: tuple[Sample, ...]) -> NDArray[np.float32]:
        """Return class probabilities, before any temperature, shape (n, classes).

        Folds and sweeps test the same pictures again and again: what the frozen part makes of them
        comes from the cache (maps in half precision).
        """
        model, views = self.network.model, [TTA_VIEWS[name] for name in self.tta_views]
        shown = [each for sample in samples for each in show(sample, views)]
        if self.cut is None:
            found = as_distribution(predict(model, load_pixels(shown, self.view)))
        else:
            x = cut_features(model, self.cut, shown, self.view, self.features)
            found = as_distribution(predict(split_at(model, self.cut)[1], x))
        return mean_over_views(found, len(views))


def learn(
    recipe: Recipe,
    samples: Samples,
    features: Path,
    *,
    equalise: Equalise | None = None,
    weights: str | Path | None = None,
    seed: int = 7,
    state: Path | None = None,
    with_linear_probe: bool = True,
    augmenter: Augmenter | None = None,
    devices: int = 1,
    mark: Callable[[str], None] = lambda name: None,
    progress: Progress = SILENT,
) -> Learned:
    """Train a recipe on samples.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    samples : Samples
        With train, validation and, for the linear probe, test pictures; with their views.
    features : Path
        The workspace's features folder, for the bottleneck cache.
    equalise : Equalise, optional
        Size and JPEG quality that all pictures are converted to.
    weights : str, Path or None
        The backbone's weights instead of the recipe's.
    seed : int
        Of everything random.
    state : Path, optional
        Folder of the stages' states; training goes on from what is there.
    with_linear_probe : bool
        Whether to fit the logistic regression, too.
    augmenter : callable, optional
        (rgb, sha256=, copy=epoch) -> rgb of the same size: every stage then sees each original
        distorted anew in every epoch, through the whole network.
    devices : int
        Over which each batch is split in stages that are trained in epochs; see `mirrored`.
    mark : callable
        Told the name of each phase when it ends.
    progress : Progress
        Told of features and epochs.

    Raises
    ------
    UsageError
        There are not that many devices.
    """
    strategy = mirrored(devices)
    seed_everything(seed)
    with strategy.scope() if strategy is not None else nullcontext():
        network = build_network(recipe, len(samples.classes), weights=weights)
    view = View(network.side, equalise, recipe.data.colour == "grey")
    mark("start")
    task = _Task(recipe, samples, view, features, seed, state, progress, augmenter, strategy)
    task = replace(task, via=_earliest_cut(network, task))
    linear_probe = _linear_probe(network, task) if with_linear_probe else None
    mark("linear_probe")
    histories = []
    for index, stage in enumerate(recipe.stages):
        histories.append(_train_stage(network, task, index))
        mark(stage.name)
    return Learned(
        network, view, histories, linear_probe, features, task.via, recipe.data.tta_views
    )


def explore_rates(
    recipe: Recipe,
    samples: Samples,
    features: Path,
    *,
    equalise: Equalise | None = None,
    weights: str | Path | None = None,
    seed: int = 7,
    progress: Progress = SILENT,
) -> RateTest:
    """Run the learning rate test of a recipe's first stage that is trained in epochs.

    Parameters are those of `learn`.

    Raises
    ------
    UsageError
        No stage is trained in epochs.
    """
    stage = next((each for each in recipe.stages if each.solver == "gradient"), None)
    if stage is None:
        raise UsageError(
            f"recipe '{recipe.name}' solves its output layer at once: it has no learning rate",
            hint="use a recipe with a gradient stage, such as bottleneck or finetune",
        )
    seed_everything(seed)
    network = build_network(recipe, len(samples.classes), weights=weights)
    view = View(network.side, equalise, recipe.data.colour == "grey")
    task = _Task(recipe, samples, view, features, seed, None, progress)
    model, training, checked = _prepared(network, task, stage)
    return rate_test(model, LabelObjective(training, checked, stage), seed=seed, progress=progress)


def linear_probe_accuracy(
    recipe: Recipe,
    samples: Samples,
    features: Path,
    *,
    equalise: Equalise | None = None,
    weights: str | Path | None = None,
    seed: int = 7,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Fit only the logistic regression on a recipe's backbone; returns its test figures."""
    seed_everything(seed)
    network = build_network(recipe, len(samples.classes), weights=weights)
    view = View(network.side, equalise, recipe.data.colour == "grey")
    found = _linear_probe(network, _Task(recipe, samples, view, features, seed, None, progress))
    if found is None:
        raise BodyshopError(f"recipe '{recipe.name}' has no backbone to fit a linear probe on")
    return found


@dataclass(frozen=True)
class _Task:
    recipe: Recipe
    samples: Samples
    view: View
    features: Path
    seed: int
    state: Path | None
    progress: Progress
    augmenter: Augmenter | None = None
    strategy: Any = None
    via: str | None = None

    def features_at(self, network: Network, cut: str, samples: Sequence[Sample]) -> NDArray[Any]:
        """Return a cut's features, computed from the earliest cut that any stage needs."""
        return cut_features(
            network.model,
            cut,
            samples,
            self.view,
            self.features,
            via=self.via if self.via != cut else None,
            progress=self.progress,
        )


def _earliest_cut(network: Network, task: _Task) -> str | None:
    """Find where the stage that trains most of the network cuts it; None if one trains it all."""
    order = [layer.name for layer in network.model.layers]
    cuts = []
    for stage in task.recipe.stages:
        set_trainable(network, stage)
        cut = _cut(network, task, stage)
        if cut is None:
            return None
        cuts.append(cut)
    return min(cuts, key=order.index)


def _cut(network: Network, task: _Task, stage: Stage) -> str | None:
    """Return the layer up to which a stage reads features from the cache, if it may."""
    if stage.affine is not None or task.augmenter is not None:
        return None
    cut = find_cut(network.model)
    return cut if cut is not None and worth_caching(network.model, cut) else None


def _train_stage(network: Network, task: _Task, index: int) -> History:
    stage = task.recipe.stages[index]
    model, training, checked = _prepared(network, task, stage)
    if stage.solver == "logistic":
        return _solve(network, stage, training, checked, task.seed)
    return fit(
        model,
        LabelObjective(training, checked, stage),
        seed=task.seed,
        state=task.state / f"{index}-{stage.name}.npz" if task.state is not None else None,
        strategy=task.strategy,
        jit_compile=task.recipe.jit_compile,
        progress=task.progress,
    )


def _prepared(network: Network, task: _Task, stage: Stage) -> tuple[keras.Model, Rows, Rows]:
    """Freeze layers as a stage says; returns the part that learns, training and validation rows."""
    samples, view, progress = task.samples, task.view, task.progress
    set_trainable(network, stage)
    model = network.model
    fresh = stage.affine is not None or task.augmenter is not None
    cut = _cut(network, task, stage)
    training = samples.of("train")
    views = [TTA_VIEWS[name] for name in task.recipe.data.tta_views]
    validation = tuple(each for item in samples.of("validation") for each in show(item, views))
    if fresh:
        # The distortion is random in every epoch: copies made beforehand add nothing.
        training = tuple(item for item in training if not item.view and not item.variant)
    if cut is None:
        x, x_validation = (
            load_pixels(part, view, progress=progress) for part in (training, validation)
        )
    else:
        both = task.features_at(network, cut, (*training, *validation))
        x, x_validation = both[: len(training)], both[len(training) :]
        _, model = split_at(model, cut)
    y, y_validation = (onehot(part, samples.classes) for part in (training, validation))
    weight = _row_weights(task.recipe, training, y)
    distort: Distort | None = None
    if task.augmenter is not None:
        distort = in_every_epoch(task.augmenter, training)
    elif stage.affine is not None:
        distort = distorter(stage.affine, task.seed)
    checked = Rows(x_validation, y_validation, np.ones(len(y_validation), np.float32))
    return model, Rows(x, y, weight, distort), checked


def _solve(network: Network, stage: Stage, training: Rows, validation: Rows, seed: int) -> History:
    """Set the output layer to the logistic regression whose strength validation chooses."""
    x, x_validation = training.x, validation.x
    if isinstance(x, Pictures) or isinstance(x_validation, Pictures) or x.ndim != 2:
        raise UsageError(
            f"stage '{stage.name}' solves the output layer on cached features, which this recipe "
            "or an augmentation in every epoch does not have",
            hint="set the stage's solver to gradient",
        )
    began = time.monotonic()
    truth, real = training.y.argmax(axis=1), validation.y.argmax(axis=1)
    linear_probe = fit_linear_probe(
        x, truth, x_validation, real, weights=training.weight, seed=seed
    )
    set_output(network.model.layers[-1], linear_probe)
    found, checked = (probabilities(linear_probe, each) for each in (x, x_validation))
    seconds = time.monotonic() - began
    entry = {
        "epoch": 1,
        "loss": float(losses(truth, found).mean()),
        "accuracy": float((found.argmax(axis=1) == truth).mean()),
        "val_loss": float(losses(real, checked).mean()),
        "val_accuracy": float((checked.argmax(axis=1) == real).mean()),
        "learning_rate": 0.0,
        "seconds": seconds,
    }
    return History(
        stage.name, [entry], [entry["loss"]], best_epoch=1, batch_size=len(x), seconds=seconds
    )


def _linear_probe(network: Network, task: _Task) -> dict[str, Any] | None:
    """Fit the linear probe on the pretrained backbone; None without a backbone."""
    if task.recipe.backbone is None or "pool" not in network.head:
        return None
    samples = task.samples
    parts = [samples.of(split) for split in ("train", "validation", "test")]
    everyone = [item for part in parts for item in part]
    rows = task.features_at(network, "pool", everyone)
    channels = network.model.get_layer(network.body[-1]).output.shape[-1]
    if task.recipe.head.feature_blocks:  # the last columns are the last layer
        rows = rows[:, -channels:]
    elif rows.shape[1] != channels:  # flattened maps: the linear probe takes their average
        rows = rows.reshape(len(rows), -1, channels).mean(axis=1)
    ends = np.cumsum([len(part) for part in parts])[:2]
    x, x_validation, x_test = np.split(rows, ends)
    y, y_validation, y_test = (onehot(part, samples.classes).argmax(axis=1) for part in parts)
    linear_probe = fit_linear_probe(x, y, x_validation, y_validation, seed=task.seed)
    figures = summary(y_test, probabilities(linear_probe, x_test), samples.classes)
    keep = ("n", "accuracy", "ci95", "balanced_accuracy", "loss")
    return {name: figures[name] for name in keep} | {"strength": linear_probe.chosen}


def onehot(samples: tuple[Sample, ...], classes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the labels as rows with a single 1, float32, shape (n, classes)."""
    place = {name: index for index, name in enumerate(classes)}
    rows = np.array([place[item.label] for item in samples], np.int64)
    return np.eye(len(classes), dtype=np.float32)[rows]


def _row_weights(
    recipe: Recipe, training: tuple[Sample, ...], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    if recipe.data.balance:
        return balance_weights(
            {name: [getattr(item, name) for item in training] for name in recipe.data.balance}
        )
    return _class_weights(y) if recipe.data.class_weights else np.ones(len(y), np.float32)


def _class_weights(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh every row by n / (classes * n of its class), as scikit-learn's "balanced" does."""
    counts = y.sum(axis=0)
    weights = y @ (len(y) / (y.shape[1] * counts))
    return np.asarray(weights, np.float32)
