"""One training run, from a split set to a folder that can be carried away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.catalog import now
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import RunRecord as CatalogRecord
from bodyshop_core.workspace import Workspace
from train.data.samples import Samples, audit_baseline
from train.evaluation.scores import Evaluation, evaluate_samples, save_evaluation
from train.fit.learn import Learned, learn, onehot
from train.fit.runtime import versions
from train.fit.tensorboard import write_events
from train.metrics.classification import balanced_threshold, fit_temperature, temper
from train.models.classifier import Classifier
from train.models.network import Network, parameters
from train.models.run_folder import (
    MODEL_FILE,
    SAMPLES_FILE,
    RunRecord,
    read_json,
    save_record,
    write_json,
)
from train.recipes.recipe import Recipe, load_recipe
from train.report.classifier_report import write_run_report
from train.runs.plan import (
    PLAN_FILE,
    STATE_FOLDER,
    SUMMARY_FILE,
    RunPlan,
    find_same,
    load_plan,
)


@dataclass(frozen=True)
class TrainSummary:
    """What a training run came to.

    Parameters
    ----------
    run : str
        Its name.
    folder : Path
        Everything about it.
    recipe, target, split_set : str
        What was trained on what.
    split : str
        Which split the figures are of: ``test``.
    metrics : Mapping
        As `train.metrics.classification.summary` returns them.
    baseline : Mapping
        What has to be beaten: ``majority``, ``audit`` and ``linear_probe``, where known.
    seconds : Mapping
        Phase -> seconds.
    report : Path
        The HTML report.
    """

    run: str
    folder: Path
    recipe: str
    target: str
    split_set: str
    split: str
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    seconds: Mapping[str, float]
    report: Path

    @property
    def accuracy(self) -> float:
        """Share of the test pictures that were classified rightly."""
        return float(self.metrics["accuracy"])

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values with the stable keys of ``--json``."""
        return {
            "run": self.run,
            "folder": str(self.folder),
            "recipe": self.recipe,
            "target": self.target,
            "split_set": self.split_set,
            "split": self.split,
            "n": self.metrics["n"],
            "accuracy": self.metrics["accuracy"],
            "ci95": self.metrics["ci95"],
            "per_class": self.metrics["per_class"],
            "baseline": dict(self.baseline),
            "seconds": dict(self.seconds),
            "report": str(self.report),
        }


def train(
    workspace: Workspace,
    recipe: str | Path | Recipe = "default",
    *,
    target: str | None = None,
    split_set: str | None = None,
    equalise: bool | None = None,
    weights: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    gate: Mapping[str, Any] | None = None,
    seed: int = 7,
    resume: str | Path | None = None,
    anew: bool = False,
    augmenter: Callable[..., Any] | None = None,
    progress: Progress = SILENT,
) -> TrainSummary:
    """Train a classifier on a split set and write everything about it into a run folder.

    Parameters
    ----------
    workspace : Workspace
        With curated splits, and augmented copies if there are any.
    recipe : str, Path or Recipe
        A shipped recipe's name or a YAML file.
    target : str, optional
        ``damage``, ``brand`` or ``model``; by default that of the split set.
    split_set : str, optional
        Its name; the newest one by default.
    equalise : bool, optional
        Bring all pictures to one size and JPEG quality or not; None follows the recipe.
    weights : str, Path or None
        The backbone's weights instead of the recipe's; ``"none"`` for random ones.
    overrides : Mapping, optional
        Dotted recipe key -> value.
    gate : Mapping, optional
        Name and rule of the gate that prediction asks first; JSON-able, stored with the run.
    seed : int
        Of everything random.
    resume : str or Path, optional
        Name or folder of an interrupted run; the other arguments are then read from it.
    anew : bool
        Train even when a run with the same recipe, data, settings and seed is there already; by
        default a finished one is returned as it is, and an interrupted one goes on.
    augmenter : callable, optional
        (rgb uint8, sha256=, copy=epoch) -> rgb of the same size, as ``augment.online`` returns:
        fresh copies in every epoch instead of those on disk. Costs the whole network in each.
    progress : Progress
        Told of features and epochs.

    Returns
    -------
    TrainSummary
        Figures on the test split.

    Raises
    ------
    NothingFoundError
        No such split set.
    BodyshopError
        The data can't be learned from, the loss diverged, or the run to resume is not resumable.
    """
    if resume is not None:
        plan = load_plan(workspace, resume)
    else:
        chosen = load_recipe(recipe, overrides=overrides)
        plan = RunPlan.make(
            workspace,
            chosen,
            target=target,
            split_set=split_set,
            equalise=equalise,
            weights=weights,
            gate=gate,
            seed=seed,
            progress=progress,
            augmenter=_name_augmenter(augmenter),
        )
        same = None if anew else find_same(workspace, plan.as_dict())
        if same is not None and same[1]:
            progress.log(f"run {same[0]} has the same recipe, pictures, settings and seed")
            return read_summary(workspace.runs / same[0])
        if same is not None:
            progress.log(f"going on with the interrupted run {same[0]}")
            plan = replace(plan, run=same[0])
    if plan.augmenter != _name_augmenter(augmenter):
        raise UsageError(
            f"the run was begun with the augmentation {plan.augmenter}, not "
            f"{_name_augmenter(augmenter)}",
            hint="give the same policy again",
        )
    with workspace.record_run("train", plan.as_dict(), run=plan.run) as record:
        record.folder.mkdir(parents=True, exist_ok=True)
        write_json(record.folder / PLAN_FILE, plan.as_dict())
        result = _run(workspace, plan, record, augmenter, progress)
        record.counts = {"accuracy": result.metrics["accuracy"], "n": result.metrics["n"]}
    return result


def read_summary(folder: Path) -> TrainSummary:
    """Return a finished run's summary from its folder, without TensorFlow."""
    data = read_json(folder / SUMMARY_FILE)
    data |= {"folder": folder, "report": folder / data["report"]}
    return TrainSummary(**data)


def _name_augmenter(augmenter: Callable[..., Any] | None) -> str | None:
    """Name an augmentation by its policy's digest, so that plans can be compared."""
    if augmenter is None:
        return None
    policy = getattr(augmenter, "policy", None)
    return str(getattr(policy, "digest", None) or getattr(augmenter, "__name__", "callable"))


def _run(
    workspace: Workspace,
    plan: RunPlan,
    record: CatalogRecord,
    augmenter: Callable[..., Any] | None,
    progress: Progress,
) -> TrainSummary:
    recipe, samples, folder = plan.recipe, plan.samples, record.folder
    clock = _Clock()
    learned = learn(
        recipe,
        samples,
        workspace.features,
        equalise=plan.equalise,
        weights=plan.weights,
        seed=plan.seed,
        state=folder / STATE_FOLDER,
        augmenter=augmenter,
        mark=clock.mark,
        progress=progress,
    )
    network, histories, linear_probe = learned.network, learned.histories, learned.linear_probe
    _save_model(network, folder)
    draft = _record(record.id, plan, learned)
    classifier, final = _calibrated(folder, draft, samples)
    save_record(folder, final)
    _save_samples(samples, folder)
    write_json(folder / "history.json", [history.as_dict() for history in histories])
    write_events(folder / "tensorboard", histories)
    clock.mark("save")
    evaluations = {
        split: evaluate_samples(
            classifier,
            samples.of(split),
            name=split,
            progress=progress,
        )
        for split in ("validation", "test")
    }
    baseline = _baseline(samples, audit_baseline(plan.audit, plan.equalise), linear_probe)
    clock.mark("evaluate")
    for evaluation in evaluations.values():
        save_evaluation(evaluation, folder)
    figures: dict[str, Any] = {name: each.metrics for name, each in evaluations.items()}
    write_json(
        folder / "metrics.json",
        {**figures, "baseline": baseline, "seconds": clock.seconds, "linear_probe": linear_probe},
    )
    report = write_run_report(
        classifier, histories, evaluations, baseline, plan.audit, clock.seconds
    )
    clock.mark("report")
    result = TrainSummary(
        record.id,
        folder,
        recipe.name,
        samples.target,
        samples.split_set,
        "test",
        evaluations["test"].metrics,
        baseline,
        clock.seconds,
        report,
    )
    kept = {name: getattr(result, name) for name in result.__dataclass_fields__}
    write_json(
        folder / SUMMARY_FILE,
        {name: value for name, value in kept.items() if name != "folder"} | {"report": report.name},
    )
    # Only now is there nothing left to resume.
    shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)
    return result


def _calibrated(folder: Path, draft: RunRecord, samples: Samples) -> tuple[Classifier, RunRecord]:
    """Fit temperature and threshold on validation, through the saved file itself."""
    part = samples.of("validation")
    raw = Classifier(folder, draft)
    # The figures of a run are those of the file that is carried away, not of what is in memory.
    probabilities = raw.raw_probabilities([item.source for item in part])
    labels = onehot(part, samples.classes).argmax(axis=1)
    temperature = fit_temperature(labels, probabilities)
    final = replace(draft, temperature=temperature)
    if draft.recipe["threshold"] == "balanced" and draft.positive is not None:
        column = temper(probabilities, temperature)[:, 1]
        final = replace(final, threshold=balanced_threshold(labels, column))
    classifier = Classifier(folder, final)
    classifier.__dict__["model"] = raw.model
    return classifier, final


def _record(run: str, plan: RunPlan, learned: Learned) -> RunRecord:
    samples, recipe, view = plan.samples, plan.recipe, learned.view
    binary = len(samples.classes) == 2
    return RunRecord(
        run=run,
        kind="classifier",
        recipe=recipe.model_dump(mode="json"),
        target=samples.target,
        classes=samples.classes,
        positive=samples.classes[1] if binary else None,
        threshold=recipe.threshold if isinstance(recipe.threshold, float) else 0.5,
        temperature=1.0,
        side=view.side,
        equalise=plan.equalise.as_dict() if plan.equalise else None,
        grey=view.grey,
        gate=plan.gate,
        seed=plan.seed,
        split_set=samples.split_set,
        data={"digest": samples.digest(), "counts": samples.counts()},
        versions=versions(),
        created_at=now(),
        extra={"parameters": parameters(learned.network.model)},
        tta_views=recipe.data.tta_views,
    )


def _save_model(network: Network, folder: Path) -> None:
    with atomic.replacing(folder / MODEL_FILE) as temporary:
        network.model.save(temporary)


def _save_samples(samples: Samples, folder: Path) -> None:
    """Write which original picture was in which split, so that no later test uses a seen one."""
    originals = [item for item in samples.items if not item.variant and not item.view]
    lines = ["sha256,split", *(f"{item.sha256},{item.split}" for item in originals)]
    atomic.write_text(folder / SAMPLES_FILE, "\n".join(lines) + "\n")


def _baseline(
    samples: Samples, audit: Mapping[str, Any] | None, linear_probe: Mapping[str, Any] | None
) -> dict[str, Any]:
    test = samples.of("test")
    labels = [item.label for item in test]
    most = max(samples.classes, key=labels.count)
    baseline: dict[str, Any] = {
        "majority": {"label": most, "accuracy": labels.count(most) / len(labels)}
    }
    if audit:
        baseline["audit"] = dict(audit)
    if linear_probe:
        baseline["linear_probe"] = {name: linear_probe[name] for name in ("accuracy", "ci95")}
    return baseline


class _Clock:
    """Seconds per phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def mark(self, name: str) -> None:
        present = time.monotonic()
        self.seconds[name] = round(self.seconds.get(name, 0.0) + present - self._last, 2)
        self._last = present


__all__ = ["Evaluation", "TrainSummary", "train"]
