"""One training run, from a split set to a folder that can be carried away."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop.catalog import now, schema
from bodyshop.errors import BodyshopError, InterruptedByUser, UsageError
from bodyshop.imaging import Equalise
from bodyshop.progress import SILENT, Progress
from bodyshop.workspace import RunRecord as CatalogRecord
from bodyshop.workspace import Workspace
from train.classifier import Classifier
from train.evaluation import Evaluation, evaluate_samples, save_evaluation
from train.features import cut_features, load_pixels, worth_caching
from train.fitting import History, Rows, fit
from train.jitter import distorter
from train.metrics import balanced_threshold, fit_temperature, summary
from train.network import Network, build_network, find_cut, parameters, set_trainable, split_at
from train.pixels import View
from train.probe import fit_probe
from train.recipe import Recipe, load_recipe
from train.report import write_run_report
from train.run_folder import MODEL_FILE, RunRecord, read_json, save_record, write_json
from train.runtime import seed_everything, versions
from train.samples import Sample, Samples, equalise_spec, load_samples, longest_sides
from train.tensorboard import write_events

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAN_FILE = "plan.json"
STATE_FOLDER = "state"


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
        As `train.metrics.summary` returns them.
    baseline : Mapping
        What has to be beaten: ``majority``, ``audit`` and ``probe``, where known.
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
        plan = _load_plan(workspace, resume)
    else:
        chosen = load_recipe(recipe, overrides=overrides)
        plan = _Plan.make(
            workspace, chosen, target=target, split_set=split_set, equalise=equalise,
            weights=weights, gate=gate, seed=seed, progress=progress,
        )
    with _recorded(workspace, plan) as record:
        record.folder.mkdir(parents=True, exist_ok=True)
        write_json(record.folder / PLAN_FILE, plan.as_dict())
        result = _run(workspace, plan, record, progress)
        record.counts = {"accuracy": result.metrics["accuracy"], "n": result.metrics["n"]}
    return result


@dataclass(frozen=True)
class _Plan:
    """What a run was asked to do, kept so that it can go on after a kill."""

    recipe: Recipe
    samples: Samples
    equalise: Equalise | None
    weights: str | None
    gate: Mapping[str, Any] | None
    seed: int
    run: str | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        workspace: Workspace,
        recipe: Recipe,
        *,
        target: str | None,
        split_set: str | None,
        equalise: bool | None,
        weights: str | Path | None,
        gate: Mapping[str, Any] | None,
        seed: int,
        progress: Progress,
    ) -> _Plan:
        samples = load_samples(
            workspace, target=target, split_set=split_set, variants=recipe.data.variants
        )
        mode = {None: recipe.data.equalise, True: "always", False: "never"}[equalise]
        spec = equalise_spec(samples, mode, longest_sides(workspace, samples))
        audit = dict(samples.audit or {})
        if audit.get("leak"):
            progress.log(
                "the audit can tell the classes apart without looking at the car: "
                + (f"all pictures are brought to at most {spec.longest_side} pixels and JPEG "
                   f"quality {spec.jpeg_quality}" if spec else "and this run does not equalise")
            )
        return cls(
            recipe,
            samples.with_camera_views(recipe.data.camera_views),
            spec,
            str(weights) if weights is not None else None,
            gate,
            seed,
            audit=audit,
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "target": self.samples.target,
            "split_set": self.samples.split_set,
            "data": self.samples.digest(),
            "equalise": self.equalise.as_dict() if self.equalise else None,
            "weights": self.weights,
            "gate": dict(self.gate) if self.gate else None,
            "seed": self.seed,
        }


def _load_plan(workspace: Workspace, resume: str | Path) -> _Plan:
    folder = Path(resume) if Path(resume).is_dir() else workspace.runs / str(resume)
    if not (folder / PLAN_FILE).exists():
        raise UsageError(
            f"there is no run '{resume}' to resume", hint="bodyshop status lists the runs"
        )
    if not (folder / STATE_FOLDER).exists() and (folder / "run.json").exists():
        raise UsageError(f"run '{folder.name}' is finished: there is nothing to resume")
    data = read_json(folder / PLAN_FILE)
    recipe = Recipe.model_validate(data["recipe"])
    samples = load_samples(
        workspace,
        target=data["target"],
        split_set=data["split_set"],
        variants=recipe.data.variants,
    ).with_camera_views(recipe.data.camera_views)
    if samples.digest() != data["data"]:
        raise BodyshopError(
            f"the pictures or labels of '{data['split_set']}' changed since run '{folder.name}' "
            "began: going on would mix two trainings",
            hint=f"start it anew: bodyshop train {recipe.name}",
        )
    return _Plan(
        recipe,
        samples,
        Equalise(**data["equalise"]) if data["equalise"] else None,
        data["weights"],
        data["gate"],
        data["seed"],
        run=folder.name,
        audit=dict(samples.audit or {}),
    )


@contextmanager
def _recorded(workspace: Workspace, plan: _Plan) -> Iterator[CatalogRecord]:
    """Note the run in the catalog; a resumed one keeps its row."""
    if plan.run is None:
        with workspace.record_run("train", plan.as_dict()) as record:
            yield record
        return
    record = CatalogRecord(plan.run, workspace.runs / plan.run)

    def note(state: str) -> None:
        with workspace.catalog.begin() as connection:
            connection.execute(
                schema.runs.update()
                .where(schema.runs.c.id == record.id)
                .values(state=state, counts=record.counts)
            )

    note("running")
    state = "failed"
    try:
        yield record
        state = "done"
    except (InterruptedByUser, KeyboardInterrupt):
        state = "interrupted"
        raise
    finally:
        note(state)


def _run(
    workspace: Workspace, plan: _Plan, record: CatalogRecord, progress: Progress
) -> TrainSummary:
    recipe, samples, folder = plan.recipe, plan.samples, record.folder
    clock = _Clock()
    seed_everything(plan.seed)
    network = build_network(recipe, len(samples.classes), weights=plan.weights)
    view = View(network.side, plan.equalise, recipe.data.colour == "grey")
    clock.mark("start")
    probe = _probe(network, plan, view, workspace.features, progress)
    clock.mark("probe")
    histories = []
    for index, stage in enumerate(recipe.stages):
        history = _train_stage(network, plan, index, view, workspace.features, folder, progress)
        histories.append(history)
        clock.mark(stage.name)
    _save_model(network, folder)
    draft = _record(record.id, plan, network, view)
    classifier, final = _calibrated(folder, draft, samples)
    save_record(folder, final)
    write_json(folder / "history.json", [history.as_dict() for history in histories])
    write_events(folder / "tensorboard", histories)
    clock.mark("save")
    evaluations = {
        split: evaluate_samples(
            Classifier(folder, final) if classifier is None else classifier,
            samples.of(split),
            name=split,
            progress=progress,
        )
        for split in ("validation", "test")
    }
    baseline = _baseline(samples, plan.audit, probe)
    clock.mark("evaluate")
    for evaluation in evaluations.values():
        save_evaluation(evaluation, folder)
    figures: dict[str, Any] = {name: each.metrics for name, each in evaluations.items()}
    write_json(
        folder / "metrics.json",
        {**figures, "baseline": baseline, "seconds": clock.seconds, "probe": probe},
    )
    report = write_run_report(
        folder, final, histories, evaluations, baseline, plan.audit, clock.seconds
    )
    clock.mark("report")
    # Only now is there nothing left to resume.
    shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)
    return TrainSummary(
        record.id, folder, recipe.name, samples.target, samples.split_set, "test",
        evaluations["test"].metrics, baseline, clock.seconds, report,
    )


def _train_stage(
    network: Network,
    plan: _Plan,
    index: int,
    view: View,
    features: Path,
    folder: Path,
    progress: Progress,
) -> History:
    stage, samples = plan.recipe.stages[index], plan.samples
    set_trainable(network, stage)
    model = network.model
    cut = None if stage.jitter is not None else find_cut(model)
    if cut is not None and not worth_caching(model, cut):
        cut = None
    training, validation = samples.of("train"), samples.of("validation")
    if stage.jitter is not None:
        # The distortion is drawn anew in every epoch; copies made beforehand would only repeat.
        training = tuple(item for item in training if not item.view)
    if cut is None:
        x, x_validation = (
            load_pixels(part, view, progress=progress) for part in (training, validation)
        )
    else:
        both = cut_features(
            model, cut, (*training, *validation), view, features, progress=progress
        )
        x, x_validation = both[: len(training)], both[len(training) :]
        _, model = split_at(model, cut)
    y, y_validation = (_onehot(part, samples.classes) for part in (training, validation))
    weight = _class_weights(y) if plan.recipe.data.class_weights else np.ones(len(y), np.float32)
    distort = distorter(stage.jitter, plan.seed) if stage.jitter is not None else None
    return fit(
        model,
        Rows(x, y, weight, distort),
        Rows(x_validation, y_validation, np.ones(len(y_validation), np.float32)),
        stage,
        seed=plan.seed,
        state=folder / STATE_FOLDER / f"{index}-{stage.name}.npz",
        progress=progress,
    )


def _probe(
    network: Network, plan: _Plan, view: View, features: Path, progress: Progress
) -> dict[str, Any] | None:
    """Fit the logistic-regression floor on the backbone as it came; None without a backbone."""
    if plan.recipe.backbone is None or "pool" not in network.head:
        return None
    samples = plan.samples
    parts = [samples.of(split) for split in ("train", "validation", "test")]
    everyone = [item for part in parts for item in part]
    rows = cut_features(network.model, "pool", everyone, view, features, progress=progress)
    channels = network.model.get_layer("pool").input.shape[-1]
    if rows.shape[1] != channels:  # flattened maps: the probe takes their average
        rows = rows.reshape(len(rows), -1, channels).mean(axis=1)
    ends = np.cumsum([len(part) for part in parts])[:2]
    x, x_validation, x_test = np.split(rows.astype(np.float32), ends)
    y, y_validation, y_test = (
        _onehot(part, samples.classes).argmax(axis=1) for part in parts
    )
    probe = fit_probe(x, y, x_validation, y_validation, seed=plan.seed)
    figures = summary(y_test, probe.predict_proba(x_test), samples.classes)
    keep = ("n", "accuracy", "ci95", "balanced_accuracy", "loss")
    return {name: figures[name] for name in keep} | {"strength": probe.chosen}


def _calibrated(
    folder: Path, draft: RunRecord, samples: Samples
) -> tuple[Classifier, RunRecord]:
    """Fit temperature and threshold on validation, through the saved file itself."""
    part = samples.of("validation")
    raw = Classifier(folder, draft)
    # The figures of a run are those of the file that is carried away, not of what is in memory.
    probabilities = raw.probabilities([item.path for item in part])
    labels = _onehot(part, samples.classes).argmax(axis=1)
    temperature = fit_temperature(labels, probabilities)
    final = replace(draft, temperature=temperature)
    if draft.recipe["threshold"] == "balanced" and draft.positive is not None:
        from train.metrics import temper

        column = temper(probabilities, temperature)[:, 1]
        final = replace(final, threshold=balanced_threshold(labels, column))
    classifier = Classifier(folder, final)
    classifier.__dict__["model"] = raw.model
    return classifier, final


def _record(run: str, plan: _Plan, network: Network, view: View) -> RunRecord:
    samples, recipe = plan.samples, plan.recipe
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
        extra={"parameters": parameters(network.model)},
    )


def _save_model(network: Network, folder: Path) -> None:
    from bodyshop import atomic

    with atomic.replacing(folder / MODEL_FILE) as temporary:
        network.model.save(temporary)


def _baseline(
    samples: Samples, audit: Mapping[str, Any], probe: Mapping[str, Any] | None
) -> dict[str, Any]:
    test = samples.of("test")
    labels = [item.label for item in test]
    most = max(samples.classes, key=labels.count)
    baseline: dict[str, Any] = {
        "majority": {"label": most, "accuracy": labels.count(most) / len(labels)}
    }
    if audit.get("baseline"):
        baseline["audit"] = audit["baseline"]
    if probe:
        baseline["probe"] = {name: probe[name] for name in ("accuracy", "ci95")}
    return baseline


def _onehot(samples: tuple[Sample, ...], classes: tuple[str, ...]) -> NDArray[np.float32]:
    place = {name: index for index, name in enumerate(classes)}
    rows = np.array([place[item.label] for item in samples], np.int64)
    return np.eye(len(classes), dtype=np.float32)[rows]


def _class_weights(y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weigh every row by n / (classes * n of its class), as scikit-learn's "balanced" does."""
    counts = y.sum(axis=0)
    weights = y @ (len(y) / (y.shape[1] * counts))
    return np.asarray(weights, np.float32)


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
