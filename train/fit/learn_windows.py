"""Fit a damage model by windows to the pictures of a split set."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress
from train.data.mask_samples import read_mask
from train.data.samples import Sample, Samples
from train.data.shard_cache import ShardCache
from train.fit.features import MEMORY_LIMIT, identity
from train.fit.loop import History
from train.metrics.classification import losses
from train.recipes.window_recipe import WindowRecipe
from train.windows import evidence
from train.windows.classifier import DamageClassifier
from train.windows.fit import KnownPictures, KnownWindows, fit_evidence, fit_platt
from train.windows.grid import PREPARATION_VERSION, SIDE, squeeze, window_labels
from train.windows.model import DamageModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASKED, PLAIN = 2.0, 1.0
"""Weight of all windows with a mask's answer, and of all windows of undamaged pictures."""

LABELLED = 0.3
"""Weight of pictures of which only the label is known, where there are masks; else `PLAIN`."""


@dataclass(frozen=True, eq=False)
class LearnedWindows:
    """A fitted model and how it came about."""

    model: DamageModel
    history: History


def learn_windows(
    recipe: WindowRecipe,
    samples: Samples,
    masks: Mapping[str, Sequence[Path | BlobRef]],
    base: DamageClassifier,
    features: Path,
    *,
    progress: Progress = SILENT,
) -> LearnedWindows:
    """Fit the evidence, and choose the strength on the validation pictures.

    Parameters
    ----------
    recipe : WindowRecipe
        What to fit.
    samples : Samples
        Two classes, the damaged one last.
    masks : Mapping
        sha256 -> mask files of the picture's size.
    base : DamageClassifier
        Its network, and the weights to start from.
    features : Path
        The workspace's features folder, for the cache.
    progress : Progress
        Told of pictures looked at.

    Raises
    ------
    UsageError
        There are not exactly two classes.
    BodyshopError
        A mask is missing, damaged, or of another shape than its picture.
    """
    if len(samples.classes) != 2:
        raise UsageError(
            f"a damage model tells two classes apart, and here are {len(samples.classes)}",
            hint="train them with: bodyshop train default",
        )
    began = time.monotonic()
    training, validation = samples.of("train"), samples.of("validation")
    looked = window_features((*training, *validation), base, features, progress=progress)
    if recipe.near != "shipped" and "cells" in base.network.shapes:
        # what the shipped cells say has been learned from other people's masks
        looked[..., -1] = 0.0
    x, checked = looked[: len(training)], looked[len(training) :]
    damaged = np.array([item.label == samples.classes[1] for item in training])
    truth = np.array([item.label == samples.classes[1] for item in validation]).astype(int)
    windows, pictures = _known(training, damaged, x, masks)
    start = (base.model.weights, base.model.bias) if recipe.near == "shipped" else None
    best: tuple[float, DamageModel, dict[str, float]] | None = None
    with progress.task("fit", total=len(recipe.strengths)) as tick:
        for strength in recipe.strengths:
            weights, bias = fit_evidence(windows, pictures, start=start, strength=strength)
            scores = evidence.pool(evidence.log_odds(x, weights, bias))
            slope, offset = fit_platt(scores, damaged)
            model = replace(base.model, weights=weights, bias=bias, slope=slope, offset=offset)
            known, found = two_columns(model, x), two_columns(model, checked)
            entry = {
                "epoch": 1,
                "strength": strength,
                "loss": float(losses(damaged.astype(int), known).mean()),
                "accuracy": float((known.argmax(axis=1) == damaged).mean()),
                "val_loss": float(losses(truth, found).mean()),
                "val_accuracy": float((found.argmax(axis=1) == truth).mean()),
                "learning_rate": 0.0,
                "seconds": time.monotonic() - began,
            }
            if best is None or entry["val_loss"] < best[0]:
                best = entry["val_loss"], model, entry
            tick()
    assert best is not None
    _, model, entry = best
    far = evidence.depth(np.asarray(x[:, -1], np.float32), model.mean, model.scale)
    # pictures like those that it was fitted to are not out of its depth
    model = replace(model, limit=max(model.limit, float(np.quantile(far, 0.995))))
    history = History(
        "evidence",
        [entry],
        [entry["loss"]],
        best_epoch=1,
        batch_size=len(training),
        seconds=time.monotonic() - began,
    )
    return LearnedWindows(model, history)


def window_features(
    samples: Sequence[Sample],
    base: DamageClassifier,
    folder: Path,
    *,
    progress: Progress = SILENT,
) -> NDArray[np.floating]:
    """Return the features of all windows, from the cache where they are known.

    Returns
    -------
    ndarray of float32, shape (n, windows, features)
        More than `train.fit.features.MEMORY_LIMIT` bytes: float16, in a memory-mapped file.
    """

    def compute(places: list[int]) -> NDArray[np.float16]:
        rows = [
            base.features(squeeze(load_rgb(samples[place].path, at_least=SIDE))[None])[0]
            for place in places
        ]
        return np.stack(rows).astype(np.float16)

    name = f"windows-{base.model.network[:16]}-p{PREPARATION_VERSION}"
    cache = ShardCache(folder / "bottleneck" / name)
    keys = [identity(each) for each in samples]
    # In memory they are in single precision, which takes twice as much.
    found = cache.fetch(keys, compute, limit=MEMORY_LIMIT // 2, progress=progress)
    return found if isinstance(found, np.memmap) else np.asarray(found, np.float32)


def _known(
    training: Sequence[Sample],
    damaged: NDArray[np.bool_],
    x: NDArray[np.floating],
    masks: Mapping[str, Sequence[Path | BlobRef]],
) -> tuple[KnownWindows | None, KnownPictures]:
    """Return the windows whose answer is known, and the pictures of which only the label is."""
    answers = np.full(x.shape[:2], -1, np.int8)
    answers[~damaged] = 0
    masked = np.zeros(len(training), bool)
    for place, item in enumerate(training):
        if damaged[place] and not item.variant and item.sha256 in masks:
            answers[place] = _answers(item, masks[item.sha256])
            masked[place] = True
    parts = [(answers == 1, MASKED / 2), ((answers == 0) & masked[:, None], MASKED / 2)]
    parts.append(((answers == 0) & ~masked[:, None], PLAIN))
    chosen = [(np.nonzero(part), weight) for part, weight in parts if part.any()]
    mapped = isinstance(x, np.memmap)
    at = tuple(np.concatenate([places[axis] for places, _ in chosen]) for axis in (0, 1))
    windows = KnownWindows(
        x if mapped else x[at],
        np.concatenate([answers[places] == 1 for places, _ in chosen]),
        np.concatenate(
            [np.full(len(places[0]), weight / len(places[0])) for places, weight in chosen]
        ).astype(np.float32),
        places=(at[0], at[1]) if mapped else None,
    )
    bags = np.flatnonzero(~masked)
    share = LABELLED if masked.any() else PLAIN
    weights = np.zeros(len(bags), np.float32)
    for label in (True, False):
        of = damaged[bags] == label
        weights[of] = share / 2 / max(of.sum(), 1)
    if mapped:
        return windows, KnownPictures(x, damaged[bags], weights, bags)
    return windows, KnownPictures(x[bags], damaged[bags], weights)


def _answers(item: Sample, files: Sequence[Path | BlobRef]) -> NDArray[np.int8]:
    shape = load_rgb(item.path).shape[:2]
    whole = np.zeros(shape, bool)
    for file in files:
        whole |= read_mask(file, shape)
    small = Image.fromarray(whole.astype(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BOX)
    return window_labels(np.asarray(small) >= 128)


def two_columns(model: DamageModel, x: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the probabilities of no damage and of damage, shape (n, 2), by windows' features."""
    scores = evidence.pool(evidence.log_odds(x, model.weights, model.bias))
    probability = evidence.probability(scores, model.slope, model.offset)
    return np.stack([1 - probability, probability], axis=1)
