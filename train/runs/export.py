"""A run's network for other runtimes: Keras, SavedModel, TFLite; checked to predict the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.catalog import all_images
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.inference import load_lite_model
from bodyshop_core.quiet_tensorflow import import_tensorflow
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from train.data.samples import SPLITS
from train.metrics.finite import require_finite
from train.models.classifier import Classifier
from train.models.inference import predict
from train.models.run_folder import MODEL_FILE, RECORD_FILE, SAMPLES_FILE, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("keras", "savedmodel", "tflite")
CHECKED = 100
"""Number of pictures on which an exported network is compared with the original."""

TOLERANCE = 1e-3
"""Largest allowed difference in any probability; kernels of other runtimes round differently."""


@dataclass(frozen=True)
class ModelExportSummary(Summary):
    """An exported network, and how closely it agrees with the original.

    Parameters
    ----------
    format : str
        ``keras``, ``savedmodel`` or ``tflite``.
    path : Path
        The file, or SavedModel's folder.
    bytes : int
        Its size.
    pictures : int
        Number of pictures on which the two were compared.
    difference : float
        Largest difference in any probability.
    """

    format: str
    path: Path
    bytes: int
    pictures: int
    difference: float


def export(
    run: Classifier,
    format: str,
    out: Path,
    *,
    pictures: Sequence[Any] = (),
) -> ModelExportSummary:
    """Write a run's network in another format and compare it on pictures.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    format : str
        ``keras``, ``savedmodel`` or ``tflite``.
    out : Path
        Folder; the network is written there as ``model.keras``, ``savedmodel/`` or
        ``model.tflite``, beside ``run.json`` (classes, size, temperature, equalising),
        ``samples.csv`` (which pictures the run was trained on) and ``labels.txt`` (one class a
        line, in the order of the outputs).
    pictures : Sequence
        Paths, bytes or RGB arrays to compare on, the first 100 of them; noise if there are none.

    Raises
    ------
    UsageError
        No such format.
    BodyshopError
        The exported network predicts something else, and is not written; or the run's folder has
        no ``samples.csv``.
    NotFiniteError
        The network's outputs are NaN or infinite.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format '{format}'", hint=f"choose: {', '.join(FORMATS)}")
    run.pictures_seen()  # an export without its list of pictures could not be evaluated honestly
    pixels = _pixels(run, pictures)
    expected = predict(run.model, pixels)
    require_finite(expected, "outputs")
    target = (
        out / {"keras": MODEL_FILE, "savedmodel": "savedmodel", "tflite": "model.tflite"}[format]
    )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        made = _write(run, format, Path(scratch) / target.name)
        found = _run(made, format, pixels)
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE:
            raise BodyshopError(
                f"the exported {format} network differs by {difference:.2g} in a probability "
                f"(allowed: {TOLERANCE:.2g}): it was not written",
                hint="export in another format, and report this difference",
            )
        if target.is_dir():
            shutil.rmtree(target)
        made.replace(target)
    for name in (RECORD_FILE, SAMPLES_FILE):
        atomic.write_bytes(out / name, (run.folder / name).read_bytes())
    atomic.write_text(out / "labels.txt", "".join(f"{name}\n" for name in run.classes))
    files = [target, *target.rglob("*")] if target.is_dir() else [target]
    size = sum(file.stat().st_size for file in files if file.is_file())
    result = ModelExportSummary(format, target, size, len(pixels), difference)
    write_json(out / "export.json", result.as_dict())
    return result


def known_pictures(run: Classifier, workspace: Workspace) -> list[Path]:
    """Return up to 100 of the run's own pictures that are in a workspace, test pictures first.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    workspace : Workspace
        Where it was trained, or another one.

    Raises
    ------
    BodyshopError
        The run's folder has no ``samples.csv``.
    """
    extensions = all_images(workspace.catalog)
    paths = (
        workspace.blobs.path(sha256, extensions[sha256])
        for split in reversed(SPLITS)
        for sha256 in sorted(run.pictures_seen((split,)))
        if sha256 in extensions
    )
    return list(islice((path for path in paths if path.exists()), CHECKED))


def to_tflite(model: Any, path: Path) -> Path:
    """Convert a Keras model to a TFLite file through a SavedModel.

    Converting its concrete functions directly writes a file without weights (Keras 3).
    """
    tf = import_tensorflow()
    from bodyshop_core.quiet_tensorflow import stderr_to_null

    with tempfile.TemporaryDirectory() as folder, stderr_to_null():
        model.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        path.write_bytes(converter.convert())
    return path


def interpreter(path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return a function that runs a TFLite file on one picture, shape (1, side, side, 3)."""
    network = load_lite_model(path, threads=os.cpu_count() or 1)
    return lambda picture: network.run(picture)[0]


def _write(run: Classifier, format: str, path: Path) -> Path:
    if format == "keras":
        run.model.save(path)
    elif format == "savedmodel":
        run.model.export(path, format="tf_saved_model", verbose=False)
    else:
        to_tflite(run.model, path)
    return path


def _run(path: Path, format: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    tf = import_tensorflow()
    import keras

    if format == "keras":
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        return np.asarray(predict(model, pixels))
    if format == "savedmodel":
        loaded = tf.saved_model.load(str(path))
        return np.concatenate(
            [
                loaded.serve(pixels[i : i + 32].astype(np.float32)).numpy()
                for i in range(0, len(pixels), 32)
            ]
        )
    engine = interpreter(path)
    return np.concatenate([engine(picture[None].astype(np.float32)) for picture in pixels])


def _pixels(run: Classifier, pictures: Sequence[Any]) -> NDArray[np.uint8]:
    if pictures:
        return np.concatenate([batch[:, 0] for batch in run.batches(pictures[:CHECKED])])
    random = np.random.default_rng(7)
    side = run.record.side
    return random.integers(0, 256, (CHECKED, side, side, 3)).astype(np.uint8)
