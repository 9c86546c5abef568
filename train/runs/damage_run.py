"""One run of a damage model by windows, from a split set to a self-contained run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.catalog import BlobRef, now
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.storage.derived_files import read_or_none
from bodyshop_core.workspace import Workspace
from train.data.mask_samples import mask_files
from train.data.positive import guess_positive
from train.data.samples import Samples, audit_baseline, load_samples
from train.evaluation.baseline import baselines
from train.evaluation.predictions import evaluate_samples, save_evaluation, with_new_origins
from train.fit.learn import onehot
from train.fit.learn_windows import (
    LearnedWindows,
    learn_windows,
    two_columns,
    window_features,
)
from train.fit.runtime import versions
from train.metrics.classification import fit_temperature, summary, temper
from train.metrics.thresholds import choose_threshold
from train.models.run_folder import RunRecord, save_record, save_samples, write_json
from train.models.window_run import WindowClassifier
from train.recipes.window_recipe import WindowRecipe, load_window_recipe
from train.report.classifier_report import write_run_report
from train.runs.execute import execute
from train.runs.plan import PLAN_FORMAT
from train.runs.summary import PhaseClock, TrainSummary
from train.windows.classifier import CARD_FILE, MODEL_FILE, NETWORK_FILE, DamageClassifier
from train.windows.classifier import shipped_folder as shipped
from train.windows.grid import SIDE
from train.windows.model import digest_of, save_model


def train_damage(
    workspace: Workspace,
    recipe: str | Path | WindowRecipe = "damage",
    *,
    split_set: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    gate: Mapping[str, Any] | None = None,
    seed: int = 7,
    anew: bool = False,
    progress: Progress = SILENT,
) -> TrainSummary:
    """Fit a damage model by windows on a split set; seconds, without TensorFlow.

    Parameters
    ----------
    workspace : Workspace
        With curated splits, and masks if there are any.
    recipe : str, Path or WindowRecipe
        A shipped recipe's name or a YAML file.
    split_set : str, optional
        Its name; the newest one by default.
    overrides : Mapping, optional
        Dotted recipe key -> value.
    gate : Mapping, optional
        Name and rule of the gate that prediction asks first; JSON-able, stored with the run.
    seed : int
        Of everything random; stored with the run.
    anew : bool
        Fit even when a run with the same recipe, data and settings exists.
    progress : Progress
        Told of pictures looked at.

    Returns
    -------
    TrainSummary
        Figures on the test split.

    Raises
    ------
    NothingFoundError
        No such split set.
    UsageError
        The split set is about another target, or has not exactly two classes.
    BodyshopError
        No model can be learned from the data, or a mask is damaged.
    """
    chosen = load_window_recipe(recipe, overrides=overrides)
    samples = load_samples(
        workspace, target="damage", split_set=split_set, variants=False, crop="none"
    ).looking_for(chosen.positive)
    masks = mask_files(workspace)
    wanted = {item.sha256 for item in samples.items}
    plan = DamagePlan(
        chosen,
        samples,
        {
            sha: tuple(file for files in each.values() for file in files)
            for sha, each in masks.items()
            if sha in wanted
        },
        seed,
        gate,
    )
    fit = partial(fit_damage, plan, features=workspace.features, progress=progress)
    return execute(workspace, "train", plan, fit, anew=anew, progress=progress)  # type: ignore[arg-type]


@dataclass(frozen=True)
class DamagePlan:
    """Everything that decides what a run comes to; see `train.runs.plan.RunPlan`."""

    recipe: WindowRecipe
    samples: Samples
    masks: Mapping[str, Sequence[BlobRef]]
    seed: int
    gate: Mapping[str, Any] | None
    run: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what ``plan.json`` holds."""
        masks = {
            # a missing file is reported where the masks are read
            sha: sorted(
                hashlib.sha256(data).hexdigest()
                for file in files
                if (data := read_or_none(file)) is not None
            )
            for sha, files in sorted(self.masks.items())
        }
        return {
            "format": PLAN_FORMAT,
            "kind": "classifier",
            "recipe": self.recipe.model_dump(mode="json"),
            "target": "damage",
            "split_set": self.samples.split_set,
            "data": self.samples.digest(),
            "masks": masks,
            "initial_weights": [digest_of(shipped() / name) for name in (NETWORK_FILE, MODEL_FILE)],
            "equalise": None,
            "weights": None,
            "gate": dict(self.gate) if self.gate else None,
            "seed": self.seed,
            "augmenter": None,
        }


def fit_damage(
    plan: DamagePlan,
    folder: Path,
    *,
    run: str,
    features: Path,
    progress: Progress = SILENT,
) -> TrainSummary:
    """Fit as planned and write the run's folder.

    Raises
    ------
    UsageError
        There are not exactly two classes.
    BodyshopError
        A mask is missing or damaged.
    """
    samples, clock = plan.samples, PhaseClock()
    base = DamageClassifier(shipped())
    learned = learn_windows(plan.recipe, samples, plan.masks, base, features, progress=progress)
    clock.mark("fit")
    for name in (NETWORK_FILE, CARD_FILE):
        with atomic.replacing(folder / name) as temporary:
            temporary.write_bytes((base.folder / name).read_bytes())
    save_model(learned.model, folder / MODEL_FILE)
    originals = {item.sha256: item.split for item in samples.items}
    classifier = _calibrated(folder, _record(run, plan, save_samples(folder, originals)), plan)
    save_record(folder, classifier.record)
    write_json(folder / "history.json", [learned.history.as_dict()])
    clock.mark("save")
    before = _shipped_figures(samples, base, features, progress)
    return _evaluated(classifier, learned, plan, before, clock, progress)


def _evaluated(
    classifier: WindowClassifier,
    learned: LearnedWindows,
    plan: DamagePlan,
    before: Mapping[str, Any],
    clock: PhaseClock,
    progress: Progress,
) -> TrainSummary:
    samples, folder = plan.samples, classifier.folder
    evaluations = {
        split: evaluate_samples(classifier, samples.of(split), name=split, progress=progress)
        for split in ("validation", "test")
    }
    audit = dict(samples.audit or {})
    baseline = baselines(
        [item.label for item in samples.of("test")],
        audit=audit_baseline(audit, None),
        shipped=before,
    )
    if plan.recipe.near != "shipped":
        evaluations["test"] = with_new_origins(evaluations["test"], samples)
    abroad = _abroad(samples, plan.recipe)
    clock.mark("evaluate")
    for evaluation in evaluations.values():
        save_evaluation(evaluation, folder)
    figures: dict[str, Any] = {name: each.metrics for name, each in evaluations.items()}
    figures |= {"baseline": baseline, "seconds": clock.seconds, "abroad": abroad}
    write_json(folder / "metrics.json", figures)
    report = write_run_report(
        classifier, [learned.history], evaluations, baseline, audit, clock.seconds, abroad
    )
    clock.mark("report")
    return TrainSummary(
        classifier.record.run,
        folder,
        plan.recipe.name,
        samples.target,
        samples.split_set,
        "test",
        evaluations["test"].metrics,
        baseline,
        clock.seconds,
        report,
        abroad,
    )


def _shipped_figures(
    samples: Samples, base: DamageClassifier, features: Path, progress: Progress
) -> dict[str, Any]:
    """Return what the model that comes with the package reaches on the test split."""
    part = samples.of("test")
    windows = window_features(part, base, features, progress=progress)
    return summary(
        onehot(part, samples.classes).argmax(axis=1),
        two_columns(base.model, windows),
        samples.classes,
        threshold=base.model.threshold,
        positive=1,
    )


def _abroad(samples: Samples, recipe: WindowRecipe) -> dict[str, Any]:
    """Say whether the test split is of origins that were not learned from.

    Of a model near the shipped one that is not known: its card names its sources, and pictures of
    these may have reached the workspace under any origin.
    """
    unseen = samples.new_origins()
    if not unseen:
        why = "the test pictures come from origins that it learned from; to test it on others, set "
        why += "splits: {by: origin} in curate.yaml, run curate and train damage --set near=nothing"
    elif recipe.near == "shipped":
        why = "the test pictures come from origins that it was not adapted to, but the shipped "
        why += "model that it starts from may have learned from them: bodyshop doctor --models "
        why += "lists its sources; --set near=nothing does not start from it"
        unseen = ()
    return {
        "shown": bool(unseen),
        "why": None if unseen else why,
        "origins": len({item.origin for item in samples.items}),
        "within_photo": None,
        "pairs": None,
    }


def _calibrated(folder: Path, draft: RunRecord, plan: DamagePlan) -> WindowClassifier:
    """Fit temperature and threshold on the validation pictures."""
    part = plan.samples.of("validation")
    probabilities = WindowClassifier(folder, draft).raw_probabilities(
        [each.source for each in part]
    )
    labels = onehot(part, plan.samples.classes).argmax(axis=1)
    temperature = fit_temperature(labels, probabilities)
    column = temper(probabilities, temperature)[:, 1]
    threshold = choose_threshold(plan.recipe.threshold, labels, column)
    return WindowClassifier(folder, replace(draft, temperature=temperature, threshold=threshold))


def _record(run: str, plan: DamagePlan, listed: str) -> RunRecord:
    samples, recipe = plan.samples, plan.recipe
    return RunRecord(
        run=run,
        kind="classifier",
        recipe=recipe.model_dump(mode="json"),
        target=samples.target,
        classes=samples.classes,
        positive=samples.classes[1],
        threshold=0.5,
        temperature=1.0,
        side=SIDE,
        equalise=None,
        grey=False,
        gate=dict(plan.gate) if plan.gate else None,
        seed=plan.seed,
        split_set=samples.split_set,
        data={
            "digest": samples.digest(),
            "counts": samples.counts(),
            "shown": samples.shown(),
            "samples": listed,
        },
        versions=versions(),
        created_at=now(),
        extra={
            "positive_certain": recipe.positive is not None or guess_positive(samples.classes)[1],
            "masked_pictures": len(plan.masks),
        },
        tta_views=("whole",),
    )
