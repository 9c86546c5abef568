"""Training a segmenter for damage masks."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.catalog import now
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace
from train.data.mask_samples import MaskedSample, load_pairs, masked_samples
from train.data.samples import SPLITS
from train.fit.loop import History
from train.fit.runtime import seed_everything, versions
from train.fit.segment_loop import PREDICT_BATCH, fit_stage, freeze_encoder
from train.fit.tensorboard import write_events
from train.metrics.masks import best_constant_iou, mask_summary
from train.models.inference import predict
from train.models.network import parameters
from train.models.run_folder import (
    MODEL_FILE,
    RECORD_FILE,
    RunRecord,
    read_json,
    save_record,
    write_json,
)
from train.models.unet import build_unet
from train.recipes.segment_recipe import SegmentRecipe, load_segment_recipe
from train.report.plots import plot_curves, plot_steps
from train.report.segment_report import draw_examples, write_segment_card, write_segment_report
from train.runs.plan import PLAN_FILE, STATE_FOLDER, SUMMARY_FILE, find_same


@dataclass(frozen=True)
class SegmentSummary:
    """What training a segmenter came to; the figures are of the test split.

    Parameters
    ----------
    run : str
        Its name.
    folder : Path
        Everything about it.
    metrics : Mapping
        As `train.metrics.masks.mask_summary`.
    baseline : Mapping
        ``constant_iou`` per class: the best that one mask for all pictures can do.
    seconds : float
        Of training.
    report : Path
        The HTML page.
    """

    run: str
    folder: Path
    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    seconds: float
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "run": self.run,
            "folder": str(self.folder),
            "split": "test",
            **self.metrics,
            "baseline": dict(self.baseline),
            "seconds": round(self.seconds, 1),
            "report": str(self.report),
        }


def segment(
    workspace: Workspace,
    recipe: str | Path | SegmentRecipe = "segment",
    *,
    split_set: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    seed: int = 7,
    resume: str | Path | None = None,
    anew: bool = False,
    progress: Progress = SILENT,
) -> SegmentSummary:
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
        Train even when the same run is there already; by default a finished one is returned as it
        is, and an interrupted one goes on.
    progress : Progress
        Told of each epoch.

    Raises
    ------
    NothingFoundError
        There are no masks in one of the splits.
    UsageError
        There is no such run to resume.
    BodyshopError
        A mask does not fit its picture, the loss diverged, or the masks changed since the run to
        resume began.
    """
    begun: Mapping[str, Any] | None = None
    run: str | None = None
    if resume is not None:
        run, begun = _read_plan(workspace, resume)
        chosen = SegmentRecipe.model_validate(begun["recipe"])
        split_set, weights, seed = begun["split_set"], begun["weights"], begun["seed"]
    else:
        chosen = load_segment_recipe(recipe, overrides=overrides)
    samples, classes = masked_samples(workspace, split_set=split_set)
    plan = {
        "recipe": chosen.model_dump(mode="json"),
        "split_set": split_set,
        "weights": str(weights) if weights is not None else None,
        "seed": seed,
        "data": _digest(samples),
    }
    if begun is not None and begun["data"] != plan["data"]:
        raise BodyshopError(
            f"the pictures or masks changed since run '{run}' began: going on would mix two "
            "trainings",
            hint="start it anew: bodyshop train segment --anew",
        )
    same = None if anew or begun is not None else find_same(workspace, plan, command="segment")
    if same is not None and same[1]:
        progress.log(f"run {same[0]} has the same recipe, masks, settings and seed")
        return _read_summary(workspace.runs / same[0])
    if same is not None:
        run = same[0]
        progress.log(f"going on with the interrupted run {run}")
    with workspace.record_run("segment", plan, run=run) as record:
        record.folder.mkdir(parents=True, exist_ok=True)
        write_json(record.folder / PLAN_FILE, plan)
        result = fit_segmenter(
            samples,
            classes,
            chosen,
            record.folder,
            run=record.id,
            weights=weights,
            seed=seed,
            progress=progress,
        )
        record.counts = {"mean_iou": result.metrics["mean_iou"]}
    return result


def fit_segmenter(
    samples: Sequence[MaskedSample],
    classes: tuple[str, ...],
    recipe: SegmentRecipe,
    folder: Path,
    *,
    run: str,
    weights: str | Path | None = None,
    seed: int = 7,
    progress: Progress = SILENT,
) -> SegmentSummary:
    """Train on given samples and write the run's folder; goes on from a state in it."""
    began = time.monotonic()
    seed_everything(seed)
    model, encoder = build_unet(
        recipe.backbone,
        len(classes),
        side=recipe.input_size,
        decoder=recipe.decoder,
        weights=weights if weights is not None else recipe.weights,
    )
    parts = {
        split: load_pairs([s for s in samples if s.split == split], classes, recipe.input_size)
        for split in SPLITS
    }
    histories: list[History] = []
    for index, stage in enumerate(recipe.stages):
        freeze_encoder(model, encoder, stage)
        histories.append(
            fit_stage(
                model,
                parts["train"],
                parts["validation"],
                recipe,
                stage,
                seed=seed,
                state=folder / STATE_FOLDER / f"{index}-{stage.name}.npz",
                progress=progress,
            )
        )
    with atomic.replacing(folder / MODEL_FILE) as temporary:
        model.save(temporary)
    pixels, truth = parts["test"]
    predicted = predict(model, pixels, batch=PREDICT_BATCH)
    metrics = mask_summary(truth, predicted, classes, level=recipe.level)
    baseline = {"constant_iou": best_constant_iou(parts["train"][1], truth, classes)}
    write_json(folder / "metrics.json", {"test": metrics, "baseline": baseline})
    write_json(folder / "history.json", [history.as_dict() for history in histories])
    write_events(folder / "tensorboard", histories)
    tested = [sample for sample in samples if sample.split == "test"]
    examples = draw_examples(folder, tested, pixels, truth, predicted, recipe.level)
    plot_curves(histories, folder / "curves.png", keys=("loss", "iou"))
    plot_steps(histories, folder / "steps.png")
    record = RunRecord(
        run=run,
        kind="segmenter",
        recipe=recipe.model_dump(mode="json"),
        target="mask",
        classes=classes,
        positive=None,
        threshold=recipe.level,
        temperature=1.0,
        side=recipe.input_size,
        equalise=None,
        grey=False,
        gate=None,
        seed=seed,
        split_set="",
        data={"digest": _digest(samples), "counts": {s: len(parts[s][0]) for s in SPLITS}},
        versions=versions(),
        created_at=now(),
        extra={"parameters": parameters(model)},
    )
    write_segment_card(folder, record, metrics, baseline["constant_iou"])
    report = write_segment_report(folder, run, metrics, baseline["constant_iou"], examples)
    save_record(folder, record)
    result = SegmentSummary(run, folder, metrics, baseline, time.monotonic() - began, report)
    summary = {"metrics": metrics, "baseline": baseline, "seconds": result.seconds}
    write_json(folder / SUMMARY_FILE, {"run": run, "report": report.name, **summary})
    # Only now is there nothing left to resume.
    shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)
    return result


def _digest(samples: Sequence[MaskedSample]) -> str:
    """Hash everything that is learned from and tested on, the masks' bytes among it."""
    lines = []
    for sample in samples:
        lines.append(f"{sample.split}\t{sample.sha256}")
        for name, files in sample.masks.items():
            # An absent file is named where the masks are loaded.
            contents = [file.read_bytes() if file.exists() else b"" for file in files]
            digests = [hashlib.sha256(content).hexdigest() for content in contents]
            lines.append(f"{sample.split}\t{sample.sha256}\t{name}\t{','.join(digests)}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _read_plan(workspace: Workspace, resume: str | Path) -> tuple[str, Mapping[str, Any]]:
    folder = Path(resume) if Path(resume).is_dir() else workspace.runs / str(resume)
    if not (folder / PLAN_FILE).exists():
        raise UsageError(
            f"there is no run '{resume}' to resume", hint="bodyshop status lists the runs"
        )
    if not (folder / STATE_FOLDER).exists() and (folder / RECORD_FILE).exists():
        raise UsageError(f"run '{folder.name}' is finished: there is nothing to resume")
    return folder.name, read_json(folder / PLAN_FILE)


def _read_summary(folder: Path) -> SegmentSummary:
    data = read_json(folder / SUMMARY_FILE)
    return SegmentSummary(**data | {"folder": folder, "report": folder / data["report"]})
