"""A recipe fitted anew without some origins, and tested on exactly these."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import BodyshopError, LostBlobError, TransientError
from bodyshop_core.imaging import Equalise, load_rgb
from bodyshop_core.progress import SILENT, Progress
from train.data.mask_samples import read_mask
from train.data.samples import Sample, Samples
from train.evaluation.abroad.pairs import Pair, bundle_small, choose_pairs, why_none
from train.evaluation.abroad.resampling import PairScores
from train.evaluation.abroad.table import leave_pair_out
from train.evaluation.abroad.within_photo import (
    Square,
    SquareScorer,
    place_squares,
    within_photo_auc,
)
from train.evaluation.crossval import assign_folds
from train.fit.learn import Learned, learn, onehot
from train.metrics.classification import fit_temperature, temper
from train.recipes.recipe import Recipe, Start

if TYPE_CHECKING:
    from numpy.typing import NDArray

MASKED_PHOTOS = 100
"""Photos with masks per origin, at most: the interval of a mean over so many is narrow enough."""

SCORED = 1000
"""Pictures of an origin and label, at most: more narrow no interval that draws origins."""

VALIDATION_FOLDS = 5
"""A fifth of what is not left out chooses the strength and the temperature."""

CUT_MARGIN = 0.05
"""What `bodyshop_core.imaging.crop_to` adds to a box on each side."""


@dataclass(frozen=True)
class AbroadTask:
    """What is fitted without some origins.

    Parameters
    ----------
    recipe : Recipe
        Fitted once per pair of origins.
    samples : Samples
        All pictures; their assignment to splits is ignored.
    masks : Mapping
        sha256 -> mask files of any class, where there are some.
    features : Path
        The workspace's features folder: all fits share what a frozen backbone computed.
    threshold : float
        From which probability on the run says the label to detect.
    equalise : Equalise or None
        As in the run.
    weights : str or None
        As in the run.
    seed : int
        As in the run.
    """

    recipe: Recipe
    samples: Samples
    masks: Mapping[str, Sequence[Path | BlobRef]]
    features: Path
    threshold: float
    equalise: Equalise | None
    weights: str | None
    seed: int


def measure_abroad(
    task: AbroadTask, *, most: int | None = None, progress: Progress = SILENT
) -> dict[str, Any]:
    """Fit a recipe without pairs of origins and measure it on them.

    Parameters
    ----------
    task : AbroadTask
        What to fit on what.
    most : int, optional
        At most so many pairs.
    progress : Progress
        Reports one step per pair.

    Returns
    -------
    dict
        JSON-able. ``shown`` (bool), ``why`` (str or None: why nothing could be shown), ``origins``
        (number of them), ``within_photo`` (as
        `train.evaluation.abroad.within_photo.within_photo_auc`, None without masks) and ``pairs``
        (as `train.evaluation.abroad.table.leave_pair_out`).
    """
    classes = task.samples.classes
    originals, pairs, why = left_out_pairs(task.samples, most=most, start=task.recipe.start)
    found: dict[str, Any] = {
        "shown": False,
        "why": why,
        "origins": len({item.origin for item in task.samples.items}),
        "within_photo": None,
        "pairs": None,
    }
    if not pairs:
        return found
    squares = masked_squares(originals, task.masks, progress=progress)
    scored: list[PairScores] = []
    of_squares: list[tuple[list[Square], NDArray[np.floating[Any]]]] = []
    with progress.task("left-out pairs of origins", total=len(pairs)) as tick:
        for pair in pairs:
            learned, scores = _fit_without(task, originals, pair, progress)
            scored.append(scores)
            for origin in sorted(pair.origins & squares.keys()):
                mine = squares.pop(origin)  # one model per photo is enough
                of_squares.append((mine, square_scorer(learned)(mine)))
            tick(1)
    within = None
    if of_squares:
        within = within_photo_auc(
            [square for part, _ in of_squares for square in part],
            np.concatenate([scores for _, scores in of_squares]),
        )
    return found | {
        "shown": True,
        "within_photo": within,
        "pairs": leave_pair_out(scored, (classes[1], classes[0]), task.threshold),
    }


def left_out_pairs(
    samples: Samples, *, most: int | None = None, start: Start | None = None
) -> tuple[tuple[Sample, ...], list[Pair], str | None]:
    """Choose the pairs of origins to leave out: none of a recipe that starts from another run.

    Returns
    -------
    originals : tuple of Sample
        The pictures, without copies and views; small origins bear the name of their bundle.
    pairs : list of Pair
        The most worthwhile first.
    why : str or None
        Why there is none.
    """
    originals = tuple(item for item in samples.items if not item.variant and not item.view)
    if start is not None:
        return originals, [], "it starts from another run, which may have learned from any origin"
    if len(samples.classes) != 2:
        return originals, [], "it is measured for two classes, and there are more"
    labels = [item.label for item in originals]
    names = bundle_small([item.origin for item in originals], labels)
    renamed = (replace(item, origin=name) for item, name in zip(originals, names, strict=True))
    pairs = choose_pairs(names, labels, samples.classes[1], most=most)
    why = None if pairs else why_none(names, labels, samples.classes[1])
    return tuple(renamed), pairs, why


def masked_squares(
    originals: Sequence[Sample],
    masks: Mapping[str, Sequence[Path | BlobRef]],
    *,
    progress: Progress = SILENT,
) -> dict[str, list[Square]]:
    """Return origin -> squares of its photos that have masks, `MASKED_PHOTOS` photos at most.

    Parameters
    ----------
    originals : sequence of Sample
        The pictures.
    masks : Mapping
        sha256 -> mask files of any class. A damaged one costs its photo only.
    progress : Progress
        Told of damaged masks.
    """
    photos: dict[str, list[Sample]] = defaultdict(list)
    for item in sorted(originals, key=lambda item: item.sha256):
        if masks.get(item.sha256):
            photos[item.origin].append(item)
    found: dict[str, list[Square]] = {}
    for origin, items in photos.items():
        for item in items[:MASKED_PHOTOS]:
            try:
                shape = load_rgb(item.path).shape[:2]
                mask = np.zeros(shape, bool)
                for file in masks[item.sha256]:
                    mask |= read_mask(file, shape)
            except BodyshopError as error:
                if isinstance(error, TransientError) and not isinstance(error, LostBlobError):
                    raise
                progress.log(f"{error.message}: its photo is left out of the AUC within photos")
                continue
            found.setdefault(origin, []).extend(
                Square(item.sha256, item.path, origin, item.group, box, scale, damaged)
                for box, scale, damaged in place_squares(mask, key=item.sha256)
            )
    return {origin: squares for origin, squares in found.items() if squares}


def square_scorer(learned: Learned) -> SquareScorer:
    """Return a scorer of squares that shows each to a network as if it were a picture."""
    centre = replace(learned, tta_views=("centre",))

    def score(squares: Sequence[Square]) -> NDArray[np.floating[Any]]:
        items = tuple(
            Sample(each.sha256, each.path, "", "test", each.group, box=_without_margin(each.box))
            for each in squares
        )
        return np.asarray(centre.probabilities(items)[:, 1])

    return score


def is_cheap(recipe: Recipe) -> bool:
    """Say whether no stage changes the backbone: with cached features, a fit takes seconds."""
    return recipe.backbone is not None and all(
        stage.trainable == "head" and stage.affine is None for stage in recipe.stages
    )


def _fit_without(
    task: AbroadTask, originals: tuple[Sample, ...], pair: Pair, progress: Progress
) -> tuple[Learned, PairScores]:
    """Fit without a pair of origins, and without anything that belongs together with its pictures.

    Temperature and strength are chosen on a fifth of what is left; the pair itself has no part in
    any choice.
    """
    classes = task.samples.classes
    abroad = [item for item in originals if item.origin in pair.origins]
    related = {item.group for item in abroad}
    rest = [
        item for item in originals if item.origin not in pair.origins and item.group not in related
    ]
    fewest = min(len({item.group for item in rest if item.label == label}) for label in classes)
    place = assign_folds(rest, max(2, min(VALIDATION_FOLDS, fewest)), task.seed)
    home = [
        replace(item, split="validation" if fold == 0 else "train")
        for item, fold in zip(rest, place, strict=True)
    ]
    training = {item.sha256 for item in home if item.split == "train"}
    copies = [
        item
        for item in task.samples.items
        if item.variant and not item.view and item.sha256 in training
    ]
    part = replace(task.samples, items=(*home, *copies))
    part = part.with_views(task.recipe.data.tta_views, task.recipe.data.degradation_views)
    learned = learn(
        task.recipe,
        part,
        task.features,
        equalise=task.equalise,
        weights=task.weights,
        seed=task.seed,
        with_linear_probe=False,
        progress=progress,
    )
    tuned = part.of("validation")
    temperature = fit_temperature(
        onehot(tuned, classes).argmax(axis=1), learned.probabilities(tuned)
    )
    sides = [
        tuple(item for item in abroad if item.origin == origin and item.label == label)[:SCORED]
        for origin, label in ((pair.positive, classes[1]), (pair.negative, classes[0]))
    ]
    scores = [temper(learned.probabilities(side), temperature)[:, 1] for side in sides]
    framings = [[item.framing for item in side] for side in sides]
    return learned, PairScores(pair, scores[0], scores[1], (framings[0], framings[1]))


def _without_margin(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Shrink a box so that, with the margin that `crop_to` adds, it is cut as given."""
    left, top, right, bottom = box
    x, y = (CUT_MARGIN / (1 + 2 * CUT_MARGIN) * side for side in (right - left, bottom - top))
    return left + x, top + y, right - x, bottom - y
