"""A run's network for other runtimes, checked to predict the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.catalog import BlobRef, all_images
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.data.samples import SPLITS
from train.evaluation.costs import with_cost_threshold
from train.metrics.classification import decide, temper
from train.metrics.finite import require_finite
from train.models.classifier import Classifier
from train.models.inference import as_distribution, predict
from train.models.run_folder import SAMPLES_FILE, RunRecord, save_record, write_json
from train.recipes.recipe import Costs
from train.runs.export_formats import FORMATS

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECKED = 100
"""Number of pictures on which an exported network is compared with the original."""

CALIBRATION = 200
"""Number of training pictures that set the ranges of int8 numbers."""


@dataclass(frozen=True)
class ModelExportSummary(Summary):
    """An exported network, and how closely it agrees with the original.

    Parameters
    ----------
    format : str
        One of `train.runs.export_formats.FORMATS`.
    path : Path
        The file, or SavedModel's folder.
    bytes : int
        Its size.
    pictures : int
        Number of pictures on which the two were compared.
    difference : float
        Largest difference in any probability.
    tolerance : float
        Up to which difference this format is written.
    changed : int
        Number of these pictures that are decided differently, at the run's threshold.
    threshold : float
        In the exported ``run.json``.
    """

    format: str
    path: Path
    bytes: int
    pictures: int
    difference: float
    tolerance: float
    changed: int
    threshold: float


def export(
    run: Classifier,
    format: str,
    out: Path,
    *,
    pictures: Sequence[Any] = (),
    calibration: Sequence[Any] = (),
    costs: Costs | None = None,
) -> ModelExportSummary:
    """Write a run's network in another format and compare it on pictures.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    format : str
        ``keras``, ``savedmodel``, ``tflite``, ``tflite-int8`` or ``onnx``.
    out : Path
        Folder; the network is written there (`train.runs.export_formats.FORMATS` names the files),
        beside ``run.json`` (classes, size, temperature, threshold, equalising, gate),
        ``samples.csv`` (which pictures the run was trained on) and ``labels.txt`` (one class a
        line, in the order of the outputs).
    pictures : Sequence
        Paths, bytes or RGB arrays to compare on, the first 100 of them; noise if there are none.
    calibration : Sequence
        Training pictures, of which the first 200 set the ranges of int8 numbers.
    costs : Costs, optional
        The exported ``run.json`` then has the cheapest threshold on the run's validation pictures.

    Raises
    ------
    UsageError
        No such format; int8 without training pictures; costs of more than two classes; or
        `out` is a file.
    MissingPartError
        The format needs an extra that is not installed.
    BodyshopError
        The exported network predicts something else, and is not written; or the run's folder has
        no ``samples.csv``.
    NotFiniteError
        The network's outputs are NaN or infinite.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format '{format}'", hint=f"choose: {', '.join(FORMATS)}")
    atomic.require_folder(out)
    chosen = FORMATS[format]
    if chosen.calibrated and not calibration:
        raise UsageError(
            f"{format} needs pictures that run '{run.record.run}' was trained on",
            hint="use the workspace in which it was trained: --workspace FOLDER",
        )
    run.pictures_seen()  # an export without its list of pictures could not be evaluated honestly
    record = with_cost_threshold(run.folder, run.record, costs) if costs else run.record
    pixels = _pixels(run, pictures)
    expected = predict(run.model, pixels)
    require_finite(expected, "outputs")
    target = out / chosen.file
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        made = Path(scratch) / target.name
        chosen.write(run.model, made, _squares(run, calibration[:CALIBRATION]))
        found = chosen.run(made, pixels)
        difference = float(np.abs(found - expected).max())
        if not difference <= chosen.tolerance:
            raise BodyshopError(
                f"the exported {format} network differs by {difference:.2g} in a probability "
                f"(allowed: {chosen.tolerance:.2g}): it was not written",
                hint="export in another format, and report this difference",
            )
        if target.is_dir():
            shutil.rmtree(target)
        made.replace(target)
    save_record(out, record)
    atomic.write_bytes(out / SAMPLES_FILE, (run.folder / SAMPLES_FILE).read_bytes())
    atomic.write_text(out / "labels.txt", "".join(f"{name}\n" for name in run.classes))
    files = [target, *target.rglob("*")] if target.is_dir() else [target]
    result = ModelExportSummary(
        format,
        target,
        sum(file.stat().st_size for file in files if file.is_file()),
        len(pixels),
        difference,
        chosen.tolerance,
        int((_decided(record, found) != _decided(record, expected)).sum()),
        record.threshold,
    )
    write_json(out / "export.json", result.as_dict())
    return result


def known_pictures(
    run: Classifier,
    workspace: Workspace,
    *,
    splits: Sequence[str] = tuple(reversed(SPLITS)),
    most: int = CHECKED,
) -> list[BlobRef]:
    """Return some of the run's own pictures that are in a workspace.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    workspace : Workspace
        Where it was trained, or another one.
    splits : Sequence of str
        Which ones, in this order; by default test pictures first.
    most : int
        At most so many.

    Raises
    ------
    BodyshopError
        The run's folder has no ``samples.csv``.
    """
    extensions = all_images(workspace.catalog)
    paths = (
        workspace.blobs.ref(sha256, extensions[sha256])
        for split in splits
        for sha256 in sorted(run.pictures_seen((split,)))
        if sha256 in extensions
    )
    return list(islice((path for path in paths if path.exists()), most))


def _pixels(run: Classifier, pictures: Sequence[Any]) -> NDArray[np.uint8]:
    if pictures:
        return _squares(run, pictures[:CHECKED])
    random = np.random.default_rng(7)
    side = run.record.side
    return random.integers(0, 256, (CHECKED, side, side, 3)).astype(np.uint8)


def _squares(run: Classifier, pictures: Sequence[Any]) -> NDArray[np.uint8]:
    side = run.record.side
    parts = [np.empty((0, side, side, 3), np.uint8)]
    return np.concatenate([*parts, *(batch[:, 0] for batch in run.batches(pictures))])


def _decided(record: RunRecord, outputs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class of each picture, from one square of it."""
    positive = record.classes.index(record.positive) if record.positive else None
    probabilities = temper(as_distribution(outputs), record.temperature)
    return decide(probabilities, threshold=record.threshold, positive=positive)
