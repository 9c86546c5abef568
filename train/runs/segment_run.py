"""One segmenter run, from damage masks to a self-contained run folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from bodyshop_core import atomic
from bodyshop_core.catalog import now
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.mask_samples import load_pairs, load_squeezed_masks
from train.evaluation.mask_predictions import predict_masks, squeeze_all
from train.fit.learn_masks import learn_masks
from train.fit.runtime import versions
from train.fit.tensorboard import write_events
from train.metrics.masks import best_constant_iou, mask_summary
from train.models.network import parameters
from train.models.run_folder import MODEL_FILE, RunRecord, save_record, save_samples, write_json
from train.recipes.segment_recipe import SegmentRecipe, load_segment_recipe
from train.report.plots import plot_curves, plot_steps
from train.report.segment_report import draw_examples, write_segment_card, write_segment_report
from train.runs.execute import STATE_FOLDER, execute, find_interrupted
from train.runs.options import TrainOptions
from train.runs.plan import SegmenterPlan, plan_segmenter, read_plan, resume_segmenter
from train.runs.summary import PhaseClock, TrainSummary


def segment(
    workspace: Workspace,
    recipe: str | Path | SegmentRecipe = "segment",
    *,
    split_set: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | Path | None = None,
    seed: int = 7,
    resume: str | Path | None = None,
    anew: bool = False,
    devices: int = 1,
    progress: Progress = SILENT,
) -> TrainSummary:
    """Train a segmenter on the catalog's damage masks.

    Parameters
    ----------
    workspace : Workspace
        With splits and pulled masks.
    recipe : str, Path or SegmentRecipe
        A shipped name or a YAML file.
    split_set : str, optional
        The newest by default.
    overrides : Mapping, optional
        Dotted recipe key -> value.
    weights : str, Path or None
        The encoder's weights instead of the recipe's; ``"none"`` for random ones.
    seed : int
        Of everything random.
    resume : str or Path, optional
        Name or folder of an interrupted run; the other arguments are then read from it.
    anew : bool
        Train even when a run with the same recipe, data, weights and seed exists; by default a
        finished one is returned, and an interrupted one is resumed.
    devices : int
        GPUs, or logical CPUs without one, over which each batch is split.
    progress : Progress
        Told of each epoch.

    Returns
    -------
    TrainSummary
        Figures on the test split.

    Raises
    ------
    NothingFoundError
        There are no masks in one of the splits.
    UsageError
        There is no such run to resume, it is finished, or another process is training it; there are
        not that many devices.
    BodyshopError
        A mask does not fit its picture, the loss diverged, or the masks or weights of the run to
        resume have changed.
    """
    if resume is not None:
        interrupted = find_interrupted(workspace, resume)
        stored = read_plan(interrupted, "segmenter")
        plan = resume_segmenter(workspace, interrupted.name, stored)
    else:
        options = TrainOptions(split_set=split_set, weights=weights, seed=seed)
        plan = plan_segmenter(workspace, load_segment_recipe(recipe, overrides=overrides), options)
    fit = partial(fit_segmenter, plan, devices=devices, progress=progress)
    return execute(workspace, "segment", plan, fit, anew=anew, progress=progress)


def fit_segmenter(
    plan: SegmenterPlan,
    folder: Path,
    *,
    run: str,
    devices: int = 1,
    progress: Progress = SILENT,
) -> TrainSummary:
    """Train as planned and write the run's folder; resumes from a state in it.

    Parameters
    ----------
    plan : SegmenterPlan
        Recipe, masks, weights and seed.
    folder : Path
        The run's folder.
    run : str
        The run's name.
    devices : int
        Over which each batch is split.
    progress : Progress
        Told of each epoch.

    Raises
    ------
    BodyshopError
        A mask does not fit its picture, or the loss diverged.
    """
    recipe, samples = plan.recipe, plan.samples
    clock, classes = PhaseClock(), samples.classes
    side, rows = recipe.input_size, recipe.rows
    for why, count in Counter(samples.left_out.values()).items():
        progress.log(f"left out: {why}" + (f" ({count} pictures)" if count > 1 else ""))
    training, validation = (
        load_pairs(samples.of(split), classes, side, rows) for split in ("train", "validation")
    )
    clock.mark("start")
    model, histories = learn_masks(
        recipe,
        classes,
        training,
        validation,
        weights=plan.weights,
        seed=plan.seed,
        state=folder / STATE_FOLDER,
        devices=devices,
        mark=clock.mark,
        progress=progress,
    )
    with atomic.replacing(folder / MODEL_FILE) as temporary:
        model.save(temporary)
    clock.mark("save")
    found = list(predict_masks(model, samples.of("test"), classes, rows=rows))
    truth, predicted = squeeze_all(found, side)
    metrics = mask_summary(truth, predicted, classes, level=recipe.level)
    known = load_squeezed_masks(samples.of("train"), classes, side)
    baseline = {"constant_iou": best_constant_iou(known, truth, classes)}
    clock.mark("evaluate")
    write_json(folder / "metrics.json", {"test": metrics, "baseline": baseline})
    write_json(folder / "history.json", [history.as_dict() for history in histories])
    write_events(folder / "tensorboard", histories)
    examples = draw_examples(folder, samples.of("test"), found, recipe.level)
    plot_curves(histories, folder / "curves.png", keys=("loss", "iou"))
    plot_steps(histories, folder / "steps.png")
    listed = save_samples(
        folder, {item.sha256: item.split for item in samples.items if not item.variant}
    )
    record = RunRecord(
        run=run,
        kind="segmenter",
        recipe=recipe.model_dump(mode="json"),
        target=samples.target,
        classes=classes,
        positive=None,
        threshold=recipe.level,
        temperature=1.0,
        side=recipe.input_size,
        equalise=None,
        grey=False,
        gate=None,
        seed=plan.seed,
        split_set=samples.split_set,
        data={
            "digest": samples.digest(),
            "counts": samples.counts(),
            "samples": listed,
            "left_out": dict(samples.left_out),
        },
        versions={**versions(), "devices": devices},
        created_at=now(),
        extra={"parameters": parameters(model)},
    )
    write_segment_card(folder, record, metrics, baseline["constant_iou"])
    report = write_segment_report(folder, run, metrics, baseline["constant_iou"], examples)
    save_record(folder, record)
    clock.mark("report")
    return TrainSummary(
        run,
        folder,
        recipe.name,
        samples.target,
        samples.split_set,
        "test",
        metrics,
        baseline,
        clock.seconds,
        report,
    )
