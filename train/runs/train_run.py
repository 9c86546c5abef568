"""One classifier run, from a split set to a self-contained run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.catalog import now
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.positive import guess_positive
from train.data.samples import Samples, audit_baseline
from train.evaluation.abroad.wording import with_test_split
from train.evaluation.baseline import baselines
from train.evaluation.predictions import evaluate_samples, save_evaluation, with_new_origins
from train.fit.augmenter import Augmenter
from train.fit.learn import Learned, learn, onehot
from train.fit.runtime import versions
from train.fit.tensorboard import write_events
from train.metrics.classification import fit_temperature, temper
from train.metrics.thresholds import choose_threshold
from train.models.classifier import Classifier
from train.models.network import Network, parameters
from train.models.run_folder import MODEL_FILE, RunRecord, save_record, save_samples, write_json
from train.recipes.recipe import Recipe, ThresholdRule, load_recipe
from train.report.classifier_report import write_run_report
from train.runs.evaluate_abroad import abroad_of_training
from train.runs.execute import STATE_FOLDER, execute, find_interrupted
from train.runs.options import TrainOptions
from train.runs.plan import ClassifierPlan, plan_classifier, read_plan, resume_classifier
from train.runs.summary import PhaseClock, TrainSummary


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
    augmenter: Augmenter | None = None,
    abroad: bool | None = None,
    devices: int = 1,
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
        Convert all pictures to one size and JPEG quality or not; None follows the recipe.
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
        Train even when a run with the same recipe, data, weights, settings and seed exists;
        by default a finished one is returned, and an interrupted one is resumed.
    augmenter : callable, optional
        (rgb uint8, sha256=, copy=epoch) -> rgb of the same size, as ``augment.online`` returns:
        fresh copies in every epoch instead of those on disk. Costs the whole network in each.
    abroad : bool, optional
        Whether to fit the recipe again without some origins, to measure it on these; None: where
        cached features make each of these fits cheap.
    devices : int
        GPUs, or logical CPUs where there is none, over which each batch is split. What comes out
        is the same within rounding, so that they are no part of the plan.
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
    UsageError
        There is no such run to resume, it is finished, another process is training it, there are
        not that many devices, or the recipe has no stage that they could share.
    BodyshopError
        No model can be learned from the data, the loss diverged, or the data or weights of the run
        to resume have changed.
    """
    options = TrainOptions(
        target=target,
        split_set=split_set,
        equalise=equalise,
        weights=weights,
        gate=gate,
        seed=seed,
        augmenter=augmenter,
    )
    if resume is not None:
        interrupted = find_interrupted(workspace, resume)
        stored = read_plan(interrupted, "classifier")
        plan = resume_classifier(workspace, interrupted.name, stored, options)
    else:
        chosen = load_recipe(recipe, overrides=overrides)
        plan = plan_classifier(workspace, chosen, options, progress=progress)

    if devices != 1 and all(stage.solver == "logistic" for stage in plan.recipe.stages):
        raise UsageError(
            f"recipe '{plan.recipe.name}' solves its output layer at once: there is no batch to "
            f"split over {devices} devices",
            hint="leave --devices out, or train a recipe with a gradient stage, such as finetune",
        )

    def measure(record: RunRecord) -> dict[str, Any]:
        return abroad_of_training(
            workspace, record, plan.samples, plan.weights, wanted=abroad, progress=progress
        )

    fit = partial(
        fit_classifier,
        plan,
        features=workspace.features,
        augmenter=augmenter,
        devices=devices,
        measure_abroad=measure,
        progress=progress,
    )
    return execute(workspace, "train", plan, fit, anew=anew, progress=progress)


def fit_classifier(
    plan: ClassifierPlan,
    folder: Path,
    *,
    run: str,
    features: Path,
    augmenter: Augmenter | None = None,
    devices: int = 1,
    measure_abroad: Callable[[RunRecord], dict[str, Any]] = lambda record: {},
    progress: Progress = SILENT,
) -> TrainSummary:
    """Train as planned and write the run's folder; resumes from a state in it.

    Parameters
    ----------
    plan : ClassifierPlan
        Recipe, data, weights and settings.
    folder : Path
        The run's folder.
    run : str
        The run's name.
    features : Path
        The workspace's features folder, for the bottleneck cache.
    augmenter : callable, optional
        The one that the plan names.
    devices : int
        Over which each batch is split.
    measure_abroad : callable
        Takes the finished run's record, returns its figures on left-out origins.
    progress : Progress
        Told of features and epochs.

    Raises
    ------
    BodyshopError
        The loss diverged, or the weights fit no network.
    """
    recipe, samples = plan.recipe, plan.samples
    clock = PhaseClock()
    learned = learn(
        recipe,
        samples,
        features,
        equalise=plan.equalise,
        weights=plan.weights,
        seed=plan.seed,
        state=folder / STATE_FOLDER,
        augmenter=augmenter,
        devices=devices,
        mark=clock.mark,
        progress=progress,
    )
    network, histories, linear_probe = learned.network, learned.histories, learned.linear_probe
    _save_model(network, folder)
    originals = {item.sha256: item.split for item in samples.items if not item.variant}
    draft = _record(run, plan, learned, save_samples(folder, originals), devices)
    classifier, final = _calibrated(folder, draft, samples, recipe.threshold)
    save_record(folder, final)
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
    baseline = baselines(
        [item.label for item in samples.of("test")],
        audit=audit_baseline(plan.audit, plan.equalise),
        linear_probe=linear_probe,
    )
    clock.mark("evaluate")
    if recipe.start is None:  # else the earlier run may have learned from these origins
        evaluations["test"] = with_new_origins(evaluations["test"], samples)
    abroad = with_test_split(measure_abroad(final), evaluations["test"].metrics)
    clock.mark("abroad")
    for evaluation in evaluations.values():
        save_evaluation(evaluation, folder)
    figures: dict[str, Any] = {name: each.metrics for name, each in evaluations.items()}
    write_json(
        folder / "metrics.json",
        {
            **figures,
            "baseline": baseline,
            "seconds": clock.seconds,
            "linear_probe": linear_probe,
            "abroad": abroad,
        },
    )
    report = write_run_report(
        classifier, histories, evaluations, baseline, plan.audit, clock.seconds, abroad
    )
    clock.mark("report")
    return TrainSummary(
        run,
        folder,
        recipe.name,
        samples.target,
        samples.split_set,
        "test",
        evaluations["test"].metrics,
        baseline,
        clock.seconds,
        report,
        abroad,
    )


def _calibrated(
    folder: Path, draft: RunRecord, samples: Samples, rule: ThresholdRule
) -> tuple[Classifier, RunRecord]:
    """Fit temperature and threshold on validation, through the saved file itself."""
    part = samples.of("validation")
    raw = Classifier(folder, draft)
    # The figures of a run are those of the file that is used later, not of what is in memory.
    probabilities = raw.raw_probabilities([item.source for item in part])
    labels = onehot(part, samples.classes).argmax(axis=1)
    temperature = fit_temperature(labels, probabilities)
    final = replace(draft, temperature=temperature)
    if draft.positive is not None:
        column = temper(probabilities, temperature)[:, 1]
        final = replace(final, threshold=choose_threshold(rule, labels, column))
    classifier = Classifier(folder, final)
    classifier.__dict__["model"] = raw.model
    return classifier, final


def _record(
    run: str, plan: ClassifierPlan, learned: Learned, listed: str, devices: int
) -> RunRecord:
    samples, recipe, view = plan.samples, plan.recipe, learned.view
    binary = len(samples.classes) == 2
    return RunRecord(
        run=run,
        kind="classifier",
        recipe=recipe.model_dump(mode="json"),
        target=samples.target,
        classes=samples.classes,
        positive=samples.classes[1] if binary else None,
        threshold=0.5,
        temperature=1.0,
        side=view.side,
        equalise=plan.equalise.as_dict() if plan.equalise else None,
        grey=view.grey,
        gate=dict(plan.gate) if plan.gate else None,
        seed=plan.seed,
        split_set=samples.split_set,
        data={
            "digest": samples.digest(),
            "counts": samples.counts(),
            "shown": samples.shown(),
            "samples": listed,
        },
        versions={**versions(), "devices": devices},
        created_at=now(),
        extra={
            "parameters": parameters(learned.network.model),
            "positive_certain": recipe.positive is not None
            or not binary
            or guess_positive(samples.classes)[1],
        },
        tta_views=recipe.data.tta_views,
    )


def _save_model(network: Network, folder: Path) -> None:
    with atomic.replacing(folder / MODEL_FILE) as temporary:
        network.model.save(temporary)
