"""Which ImageNet categories car photos are classified as: the published two-gate rule.

The study behind it summed the five likeliest classes over 1,000 car photos, took the 50 most
frequent as "car", and found 4 of the 1,000 not recognised by any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bodyshop_core.errors import NothingFoundError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.gate.rules import needs_top
from curate.gate_fitting.fit import folder_examples
from curate.gate_fitting.intervals import proportion, table_cells

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5


@dataclass(frozen=True)
class CategoryDiscovery(Summary):
    """What `discover_categories` found.

    Parameters
    ----------
    gate : str
        Backbone, weights and preprocessing.
    pictures : int
        Photos classified.
    categories : tuple of dict
        ``name``, ``pictures`` (in whose top 5 it is) and ``probability`` (summed), the most
        frequent first.
    not_recognised : dict
        Photos with none of the categories in their top 5, as k of n with interval. As in the
        study, these are the photos the categories were found on.
    held_out : dict
        The same on photos held out from finding the categories (5 folds).
    """

    gate: str
    pictures: int
    categories: tuple[dict[str, Any], ...]
    not_recognised: dict[str, Any]
    held_out: dict[str, Any]

    columns: ClassVar[tuple[str, ...]] = ("category", "in the top 5 of", "summed probability")

    def rows(self) -> list[tuple[str, int, float]]:
        """Return one row per category, for a table."""
        return [(row["name"], row["pictures"], row["probability"]) for row in self.categories]

    def notes(self) -> list[str]:
        """Return the cars that the categories miss and how to use them, below the table."""
        lines = [
            f"{' '.join(table_cells(row)[:2])}, 95 % interval {table_cells(row)[2]}"
            for row in (self.not_recognised, self.held_out)
        ]
        return [
            f"Not recognised by any of them: {lines[0]}; of held-out photos: {lines[1]}.",
            "To use them: gate: {rule: top5, categories: [names above]} in curate.yaml.",
        ]


def discover_categories(
    cars: Path,
    *,
    count: int = 50,
    gate: str = "efficientnet-lite0",
    weights: Path | str | None = None,
    progress: Progress = SILENT,
) -> CategoryDiscovery:
    """Find the ImageNet categories that car photos fall into.

    Parameters
    ----------
    cars : Path
        A folder of car photos, searched with its subfolders.
    count : int
        How many categories to take.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        Its weights file, with the 1,000-class top.
    progress : Progress
        Told how many photos are done.

    Returns
    -------
    CategoryDiscovery
        Put its names under ``gate.categories`` of curate.yaml to use them.

    Raises
    ------
    NothingFoundError
        No readable picture in the folder.
    MissingPartError
        The weights have no top.
    """
    import numpy as np

    from bodyshop_core.backbones import Scorer, imagenet_classes
    from curate.gate.extract import extract_features

    examples = folder_examples(cars, accept=True)
    scorer = Scorer(gate, weights)
    if not scorer.has_top:
        raise needs_top("top5")
    batches = list(
        extract_features(scorer, [(str(one.path), one.path) for one in examples], progress=progress)
    )
    parts = [part.probabilities for part in batches if part.probabilities is not None]
    if not parts:
        raise NothingFoundError(f"no picture in {cars} can be read")
    probabilities = np.concatenate(parts).astype(np.float32)
    top5 = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    chosen, counts, sums = most_frequent(probabilities, top5, count)
    fold = np.arange(len(top5)) % FOLDS
    missed = sum(
        _missed(
            top5[fold == number],
            most_frequent(probabilities[fold != number], top5[fold != number], count)[0],
        )
        for number in range(FOLDS)
    )
    names = imagenet_classes()
    return CategoryDiscovery(
        scorer.fingerprint,
        len(top5),
        tuple(
            {
                "name": names[index],
                "pictures": int(counts[index]),
                "probability": round(float(sums[index]), 3),
            }
            for index in chosen
        ),
        proportion(_missed(top5, chosen), len(top5)),
        proportion(missed, len(top5)),
    )


def most_frequent(
    probabilities: NDArray[np.float32], top5: NDArray[np.int64], count: int
) -> tuple[list[int], NDArray[np.int64], NDArray[np.float64]]:
    """Return the `count` classes most often among the top 5, and counts and sums per class.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, 1000)
        Class probabilities.
    top5 : ndarray of int, shape (n, 5)
        The likeliest classes of each picture.
    count : int
        How many to return; equally frequent ones are ordered by summed probability.
    """
    import numpy as np

    counts = np.bincount(top5.ravel(), minlength=probabilities.shape[1]).astype(np.int64)
    values = np.take_along_axis(probabilities, top5, axis=1).astype(np.float64)
    sums = np.zeros(probabilities.shape[1])
    np.add.at(sums, top5.ravel(), values.ravel())
    order = np.lexsort((-sums, -counts))
    return [int(index) for index in order[:count] if counts[index]], counts, sums


def _missed(top5: NDArray[np.int64], chosen: Sequence[int]) -> int:
    import numpy as np

    return int((~np.isin(top5, list(chosen)).any(axis=1)).sum())
