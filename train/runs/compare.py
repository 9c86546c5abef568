"""Backbones side by side on the same pictures: speed, memory, size, operations and accuracy."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core import backbones
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from bodyshop_core.processes import peak_memory_mib
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.data.samples import equalise_spec, load_samples, longest_sides
from train.metrics.finite import require_finite
from train.models.run_folder import write_json
from train.recipes.recipe import Head, Recipe, Stage
from train.report.pages import interval, percent, write_table
from train.runs.worker_process import run_alone

RUNTIMES = ("keras", "litert")
BATCH = 32
ROUNDS = 3
MODEL, INPUTS, EXPECTED = "model.tflite", "inputs.npy", "expected.npy"


UNMEASURED: Mapping[str, Any] = {
    "parameters": None,
    "flops": None,
    "seconds_per_picture": None,
    "peak_mib": None,
    "litert_seconds_per_picture": None,
    "litert_peak_mib": None,
    "litert_mib": None,
    "litert_difference": None,
    "linear_probe_accuracy": None,
    "linear_probe_ci95": None,
    "error": None,
}
"""A row before anything was measured."""


@dataclass(frozen=True)
class CompareSummary(Summary):
    """A row per backbone.

    Parameters
    ----------
    rows : tuple of dict
        ``backbone``, ``parameters``, ``flops``, ``seconds_per_picture`` and ``peak_mib`` of the
        Keras runtime, ``litert_seconds_per_picture``, ``litert_peak_mib``, ``litert_mib`` (the
        file) and ``litert_difference`` (largest difference of its features, relative to Keras'
        largest), ``linear_probe_accuracy`` and ``linear_probe_ci95`` (None without pretrained
        weights), ``error`` (why it could not be measured, or how its process died; figures of the
        Keras runtime stay when LiteRT fails).
    pictures : int
        How many were timed.
    equalise : dict or None
        ``longest_side`` and ``jpeg_quality`` that the linear probes' pictures were brought to,
        because the audit found a leak, as `train.train` does; None: they are as they are.
    report : Path
        The HTML table.
    """

    rows: tuple[dict[str, Any], ...]
    pictures: int
    equalise: dict[str, int] | None
    report: Path


def compare(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    weights: Mapping[str, str | Path] | None = None,
    pictures: int = 64,
    runtimes: Sequence[str] = RUNTIMES,
    split_set: str | None = None,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> CompareSummary:
    """Measure backbones on the same pictures, each in a process of its own.

    Peak memory is therefore each backbone's own, and one that fails or runs out of memory costs
    only its row.

    Parameters
    ----------
    workspace : Workspace
        With curated splits: their pictures are the input; the accuracy is that of a linear probe
        on the test split.
    names : Sequence of str
        Backbones; all by default.
    weights : Mapping, optional
        Backbone -> weights file, or ``"none"`` for random ones: speed needs no training.
    pictures : int
        How many are timed, at least one batch of 32.
    runtimes : Sequence of str
        ``keras``, ``litert`` or both.
    split_set : str, optional
        The newest by default.
    out : Path, optional
        Where the report goes; ``reports/compare`` by default.
    progress : Progress
        Reports one step per backbone.

    Raises
    ------
    UsageError
        An unknown runtime, backbone or split set.
    NothingFoundError
        The workspace has no split set.
    """
    unknown = set(runtimes) - set(RUNTIMES)
    if unknown:
        raise UsageError(
            f"there is no runtime '{min(unknown)}'", hint=f"choose: {', '.join(RUNTIMES)}"
        )
    names = tuple(names) or backbones.names()
    for name in names:
        backbones.get(name)  # an unknown one fails now, not after an hour
    # and so does a missing split set
    samples = load_samples(workspace, split_set=split_set, variants=False)
    spec = equalise_spec(samples, "auto", longest_sides(workspace, samples))
    equalise = spec.as_dict() if spec else None
    rows = []
    with progress.task("compare", total=len(names)) as tick:
        for name in names:
            job = {
                "name": name,
                "workspace": str(workspace.root),
                "split_set": split_set,
                "weights": str(weights[name]) if weights and name in weights else None,
                "pictures": max(BATCH, pictures),
                "runtimes": list(runtimes),
                "equalise": equalise,
            }
            row = _row(job)
            rows.append(row)
            tick(1, name if row["error"] is None else f"{name} failed")
    folder = out or workspace.reports / "compare"
    report = _report(folder, rows, equalise)
    result = CompareSummary(tuple(rows), max(BATCH, pictures), equalise, report)
    write_json(folder / "compare.json", result.as_dict())
    return result


def _row(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure one backbone in both runtimes; a failure or a dead process becomes its `error`."""
    row = {"backbone": job["name"], **UNMEASURED}
    with tempfile.TemporaryDirectory() as scratch:
        job = {**job, "scratch": scratch}
        try:
            row |= run_alone(measure_backbone, job)
        except BodyshopError as error:
            return row | {"error": str(error)}
        if "litert" in job["runtimes"]:
            try:
                row |= run_alone(measure_litert, job)
            except BodyshopError as error:
                return row | {"error": f"LiteRT: {error}"}
    return row


def measure_backbone(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure one backbone with Keras; returns its part of a row (in a process of its own)."""
    from train.data.pixels import View
    from train.fit.features import load_pixels
    from train.models.flops import count_flops
    from train.models.network import parameters

    model = backbones.build(job["name"], weights=job["weights"])
    workspace = Workspace.open(job["workspace"], create=False)
    samples = load_samples(workspace, split_set=job["split_set"], variants=False)
    some = (samples.items * (job["pictures"] // len(samples.items) + 1))[: job["pictures"]]
    pixels = load_pixels(some, View(model.input_shape[1]))[:]
    row: dict[str, Any] = {
        "parameters": parameters(model)["total"],
        "flops": count_flops(model),
    }
    if "keras" in job["runtimes"]:
        row["seconds_per_picture"] = _time_keras(model, pixels)
        row["peak_mib"] = peak_memory_mib()
    if "litert" in job["runtimes"]:
        _write_for_litert(model, pixels, Path(job["scratch"]))
    if job["weights"] != "none":
        row |= _linear_probe(job, samples, workspace.features)
    return row


def _time_keras(model: Any, pixels: Any) -> float:
    from train.models.inference import predict

    predict(model, pixels[:BATCH], batch=BATCH)  # traces the graph and warms caches
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        predict(model, pixels, batch=BATCH)
        rounds.append((time.perf_counter() - began) / len(pixels))
    return statistics.median(rounds)


def measure_litert(job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure the TFLite file that `measure_backbone` wrote (in a process of its own)."""
    from train.runs.export_formats import interpreter

    folder = Path(job["scratch"])
    file = folder / MODEL
    inputs, expected = np.load(folder / INPUTS), np.load(folder / EXPECTED)
    run = interpreter(file)
    found = np.concatenate([run(picture[None]) for picture in inputs])
    require_finite(found, "features")
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for picture in inputs:
            run(picture[None])
        rounds.append((time.perf_counter() - began) / len(inputs))
    return {
        "litert_seconds_per_picture": statistics.median(rounds),
        "litert_peak_mib": peak_memory_mib(),
        "litert_mib": file.stat().st_size / 2**20,
        "litert_difference": float(
            np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-12)
        ),
    }


def _write_for_litert(model: Any, pixels: Any, folder: Path) -> None:
    """Write the TFLite file, pictures and Keras' features of them for `measure_litert`."""
    from train.models.inference import predict
    from train.runs.export_formats import to_tflite

    to_tflite(model, folder / MODEL)
    np.save(folder / INPUTS, pixels[:BATCH].astype(np.float32))
    expected = predict(model, pixels[:BATCH])
    require_finite(expected, "features")
    np.save(folder / EXPECTED, expected)


def _linear_probe(job: Mapping[str, Any], samples: Any, features: Path) -> dict[str, Any]:
    from train.fit.learn import linear_probe_accuracy

    recipe = Recipe(
        name="linear_probe",
        description="logistic regression on the backbone's features",
        backbone=job["name"],
        head=Head(),
        stages=(Stage(name="none", epochs=1),),
    )
    found = linear_probe_accuracy(
        recipe,
        samples,
        features,
        equalise=Equalise(**job["equalise"]) if job["equalise"] else None,
        weights=job["weights"],
    )
    return {"linear_probe_accuracy": found["accuracy"], "linear_probe_ci95": found["ci95"]}


def _report(
    folder: Path, rows: Sequence[Mapping[str, Any]], equalise: Mapping[str, int] | None
) -> Path:
    def number(value: float | None, scale: float, digits: int) -> str:
        return "–" if value is None else f"{value * scale:,.{digits}f}"

    table = [
        [
            row["backbone"] + (f" ({row['error'].splitlines()[0]})" if row["error"] else ""),
            number(row["parameters"], 1e-6, 1),
            number(row["flops"], 1e-9, 2),
            number(row["seconds_per_picture"], 1e3, 1),
            number(row["peak_mib"], 1, 0),
            number(row["litert_seconds_per_picture"], 1e3, 1),
            number(row["litert_peak_mib"], 1, 0),
            number(row["litert_mib"], 1, 1),
            percent(row["linear_probe_accuracy"]),
            interval(row["linear_probe_ci95"]),
        ]
        for row in rows
    ]
    return write_table(
        folder / "compare.html",
        title="Backbones",
        subtitle="measured on the same pictures on this machine, one process each",
        note="Accuracy: logistic regression on the pretrained features, test split; the pictures "
        + (
            f"were brought to at most {equalise['longest_side']} pixels and JPEG quality "
            f"{equalise['jpeg_quality']}, because the audit found a leak. "
            if equalise
            else "are as they are. "
        )
        + "Speed: on pictures as they are. "
        "Peak memory: the whole process, TensorFlow included.",
        columns=[
            "backbone",
            "million parameters",
            "GFLOP",
            "ms per picture (Keras)",
            "peak MiB (Keras)",
            "ms per picture (LiteRT)",
            "peak MiB (LiteRT)",
            "file MiB (LiteRT)",
            "linear probe accuracy",
            "95 % interval",
        ],
        rows=table,
    )
