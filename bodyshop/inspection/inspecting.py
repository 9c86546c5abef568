"""Compare two inspections of one car: pair the views, judge both, keep what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop.inspection.looking import Look, look_at
from bodyshop.inspection.news import new_regions, new_windows, rise_of_evidence
from bodyshop.inspection.pairing import ViewPair, pair_views, view_similarity
from bodyshop.inspection.records import (
    InspectedPair,
    InspectionSummary,
    NewDamage,
    PictureAnswer,
)
from bodyshop_core import atomic
from bodyshop_core.errors import NothingFoundError, UnreadableImageError, UsageError
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop.prediction import PicturePrediction
    from train import Segmenter
    from train.windows.classifier import DamageClassifier

PAGE, RECORD = "inspection.html", "inspection.json"

NAMED = 5
"""Unreadable pictures that an error names."""

DRY = "the pictures were only paired"


def inspect(
    before: Sequence[Path] | Path,
    after: Sequence[Path] | Path,
    *,
    run: Path | None = None,
    segmenter: Path | None = None,
    detector: Path | None = None,
    out: Path | None = None,
    pair_only: bool = False,
    progress: Progress = SILENT,
) -> InspectionSummary:
    """Find the damage that a car has after and did not have before.

    Pictures are paired by the view that they show. With a segmenter, what is new are the regions of
    its mask that touch no damage before; without one, the windows in which the evidence of the
    damage model rose.

    Parameters
    ----------
    before, after : Path or sequence of Path
        Folders or pictures of the two inspections.
    run : Path, optional
        Folder of a classifier run, whose labels are reported; by default the damage model that
        comes with the package. A run of ``train damage`` also gives the evidence of windows.
    segmenter : Path, optional
        Folder of a segmenter run.
    detector : Path, optional
        As for `bodyshop.predict`; for a run that was trained on cropped cars.
    out : Path, optional
        Folder for the report: a page with both pictures of each pair side by side, and JSON.
    pair_only : bool
        Pair the pictures; judge and write nothing.
    progress : Progress
        Told of each picture.

    Returns
    -------
    InspectionSummary
        Pairs with new damage first; pictures without a partner are named.

    Raises
    ------
    NothingFoundError
        A file or folder does not exist, has no pictures, or no two pictures show the same view.
    UsageError
        A folder is no run of the right kind, both inspections have a file in common, or `out` is a
        file.
    """
    from bodyshop.prediction import list_pictures
    from bodyshop.prediction.run_answers import open_segmenter

    if out is not None:
        atomic.require_folder(out)
    files = [
        list_pictures([given] if isinstance(given, Path) else given) for given in (before, after)
    ]
    once, again = ({file.resolve(): file for file in each} for each in files)
    if twice := sorted(once.keys() & again.keys()):
        raise UsageError(
            f"{again[twice[0]]} is in both inspections", hint="give two different folders"
        )
    models = _open(run, detector)
    masks = open_segmenter(segmenter, progress=progress) if segmenter and not pair_only else None
    with progress.task("look", total=len(files[0]) + len(files[1])) as tick:
        (first, bad), (second, worse) = (look_at(each, models.windows, tick) for each in files)
    pairs = _paired(first, second, models.windows, progress)
    if not pairs:
        raise NothingFoundError(
            f"no picture of {_named(before)} shows the same view as one of {_named(after)}",
            hint="\n     ".join(
                (
                    "are these two inspections of one car, photographed from the same sides?",
                    *(f"unreadable: {one.error}" for one in (*bad, *worse)[:NAMED]),
                )
            ),
        )
    found = [(pair, first[pair.before], second[pair.after]) for pair in pairs]
    said = {} if pair_only else models.answers(found, progress)
    compared: list[tuple[InspectedPair, Look, Look]] = []
    with progress.task("compare", total=len(found)) as tick:
        for pair, old, new in found:
            answers = [said.get(look.file, _unasked(look)) for look in (old, new)]
            news: tuple[NewDamage, ...] = ()
            why: str | None = DRY if pair_only else None
            try:
                if not pair_only:
                    news = _news(pair, old, new, answers, models.windows, masks)
            except UnreadableImageError as error:  # too thin for the segmenter
                why = error.message
            compared.append((_inspected(pair, answers, news, why), old, new))
            tick(1)
    compared.sort(key=lambda each: (-_strength(each[0]), each[0].after.picture))
    summary = InspectionSummary(
        run=models.name,
        segmenter=segmenter.name if segmenter else None,
        pairs=tuple(each for each, _, _ in compared),
        unpaired_before=_left_over(first, [pair.before for pair in pairs]),
        unpaired_after=_left_over(second, [pair.after for pair in pairs]),
        unreadable=(*bad, *worse),
    )
    if out is None or pair_only:
        return summary
    from bodyshop.inspection.page import write_report

    summary = replace(summary, page=out / PAGE, file=out / RECORD)
    unpaired = [look for look in (*first, *second) if look.file not in said]
    write_report(summary, [(old.small, new.small) for _, old, new in compared], unpaired)
    return summary


@dataclass(frozen=True, eq=False)
class _Models:
    """What labels pictures, and the windows that pair them and say where."""

    name: str
    run: Path | None
    detector: Path | None
    windows: DamageClassifier

    def answers(
        self, found: Sequence[tuple[ViewPair, Look, Look]], progress: Progress
    ) -> Mapping[Path, PictureAnswer]:
        """Label the pictures that are in a pair."""
        from bodyshop.prediction import Predictor
        from bodyshop.prediction.shipped import prediction_of

        looks = [look for _, *both in found for look in both]
        if self.run is None:
            answers = self.windows.read(np.stack([look.windows for look in looks]))
            said: Any = [
                prediction_of(str(look.file), each)
                for look, each in zip(looks, answers, strict=True)
            ]
        else:
            predictor = Predictor.open(self.run, detector=self.detector, progress=progress)
            said = []
            with progress.task("predict", total=len(looks)) as tick:
                for look in looks:
                    said += predictor.predict(look.file)
                    tick(1)
        return {look.file: _answer(look, each) for look, each in zip(looks, said, strict=True)}


def _open(run: Path | None, detector: Path | None) -> _Models:
    from bodyshop.prediction.shipped import NAME, shipped_model

    if run is None:
        return _Models(NAME, None, None, shipped_model())
    import train

    classifier = train.load_run(run)
    windows = getattr(classifier, "windows", None) or shipped_model()
    return _Models(classifier.record.run, run, detector, windows)


def _paired(
    first: Sequence[Look], second: Sequence[Look], model: DamageClassifier, progress: Progress
) -> list[ViewPair]:
    from bodyshop.inspection.geometry import lay_over

    if not first or not second:
        return []
    scale, mean = model.model.scale, model.model.mean
    features = [
        (np.stack([look.windows for look in looks]) - mean) / scale for looks in (first, second)
    ]
    with progress.task("pair") as tick:

        def place(i: int, j: int) -> Any:
            tick(1)
            return lay_over(first[i].landmarks, second[j].landmarks)

        return pair_views(view_similarity(*features), place)


def _news(
    pair: ViewPair,
    old: Look,
    new: Look,
    answers: Sequence[PictureAnswer],
    model: DamageClassifier,
    segmenter: Segmenter | None,
) -> tuple[NewDamage, ...]:
    from bodyshop_core.catalog.labels import means_whole
    from train.windows import evidence, grid

    if segmenter is not None:
        label = answers[1].label
        if label is not None and means_whole(label):
            return ()
        first, second = segmenter.segment([old.file, new.file])
        return new_regions(first.masks, second.masks, second.scores, pair.placement)
    known = model.model
    before, after = (
        evidence.log_odds(look.windows, known.weights, known.bias) for look in (old, new)
    )
    rise = rise_of_evidence(before, after, grid.boxes(), pair.placement)
    return new_windows(rise, grid.boxes(), pair.placement)


def _answer(look: Look, said: PicturePrediction) -> PictureAnswer:
    return PictureAnswer(str(look.file), said.is_car, said.label, said.probability)


def _unasked(look: Look) -> PictureAnswer:
    return PictureAnswer(str(look.file), None, None, None)


def _inspected(
    pair: ViewPair,
    answers: Sequence[PictureAnswer],
    news: tuple[NewDamage, ...],
    why: str | None,
) -> InspectedPair:
    return InspectedPair(
        before=answers[0],
        after=answers[1],
        similarity=round(pair.similarity, 4),
        matches=pair.placement.matches if pair.placement is not None else 0,
        new_damage=news,
        not_judged=why,
    )


def _strength(pair: InspectedPair) -> float:
    unknown = -1.0 if pair.not_judged else -2.0
    return max((each.score for each in pair.new_damage), default=unknown)


def _left_over(looks: Sequence[Look], paired: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(look.file) for i, look in enumerate(looks) if i not in set(paired))


def _named(given: Sequence[Path] | Path) -> str:
    return str(given) if isinstance(given, Path) else ", ".join(map(str, given))
