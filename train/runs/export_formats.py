"""Formats of an exported network: how each is written, run again, and how far it may differ."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import MissingPartError
from bodyshop_core.inference import load_lite_model
from bodyshop_core.quiet_tensorflow import import_tensorflow, stderr_to_null
from train.models.inference import predict
from train.models.run_folder import MODEL_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Rows = NDArray[np.float32]

ONNX_OPSET = 17
"""Read by ONNX Runtime from 1.12 (2022) on."""

BATCH = 32


@dataclass(frozen=True)
class Format:
    """A format of an exported network.

    Parameters
    ----------
    file : str
        Name of the file or folder.
    write : callable
        (Keras model, path, calibration pixels) -> None.
    run : callable
        (path, pixels uint8 (n, side, side, 3)) -> the network's outputs.
    tolerance : float
        Largest allowed difference in any probability.
    calibrated : bool
        Whether `write` needs pictures that the network was trained on.
    """

    file: str
    write: Callable[[Any, Path, Pixels], None]
    run: Callable[[Path, Pixels], Rows]
    tolerance: float = 1e-3
    calibrated: bool = False


def to_tflite(model: Any, path: Path, calibration: Pixels | None = None) -> Path:
    """Convert a Keras model to a TFLite file through a SavedModel.

    Converting its concrete functions directly writes a file without weights (Keras 3).

    Parameters
    ----------
    model : keras.Model
        The network.
    path : Path
        The file to write.
    calibration : ndarray of uint8, shape (n, side, side, 3), optional
        Pictures whose activations set the ranges of int8 numbers: weights and activations are
        then int8, inputs and outputs stay float32. Without them everything is float32.
    """
    tf = import_tensorflow()

    with tempfile.TemporaryDirectory() as folder, stderr_to_null():
        model.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if calibration is not None:
            pictures = calibration

            def each() -> Iterator[list[Any]]:
                for picture in pictures:
                    yield [picture[None].astype(np.float32)]

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = each
            converter.target_spec.supported_ops = [
                tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
                tf.lite.OpsSet.TFLITE_BUILTINS,  # what has no int8 kernel stays float32
            ]
        path.write_bytes(converter.convert())
    return path


def interpreter(path: Path) -> Callable[[Rows], Rows]:
    """Return a function that runs a TFLite file on one picture, shape (1, side, side, 3)."""
    network = load_lite_model(path, threads=os.cpu_count() or 1)
    return lambda picture: network.run(picture)[0]


def _write_keras(model: Any, path: Path, _: Pixels) -> None:
    model.save(path)


def _run_keras(path: Path, pixels: Pixels) -> Rows:
    import_tensorflow()
    import keras

    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return np.asarray(predict(model, pixels))


def _write_saved_model(model: Any, path: Path, _: Pixels) -> None:
    model.export(path, format="tf_saved_model", verbose=False)


def _run_saved_model(path: Path, pixels: Pixels) -> Rows:
    loaded = import_tensorflow().saved_model.load(str(path))
    return _in_batches(pixels, lambda rows: loaded.serve(rows).numpy())


def _write_tflite(model: Any, path: Path, _: Pixels) -> None:
    to_tflite(model, path)


def _write_int8(model: Any, path: Path, calibration: Pixels) -> None:
    to_tflite(model, path, calibration)


def _run_tflite(path: Path, pixels: Pixels) -> Rows:
    run = interpreter(path)
    return np.concatenate([run(picture[None].astype(np.float32)) for picture in pixels])


def _write_onnx(model: Any, path: Path, _: Pixels) -> None:
    _require_onnx()
    with stderr_to_null():
        model.export(path, format="onnx", verbose=False, opset_version=ONNX_OPSET)


def _run_onnx(path: Path, pixels: Pixels) -> Rows:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return _in_batches(pixels, lambda rows: session.run(None, {name: rows})[0])


def _require_onnx() -> None:
    """Refuse where the extra is not installed.

    Raises
    ------
    MissingPartError
        A package of the extra is missing.
    """
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise MissingPartError(
            f"the format onnx needs the package {error.name}",
            hint='install it: pip install "bodyshop[onnx]"',
        ) from error


def _in_batches(pixels: Pixels, run: Callable[[Rows], Any]) -> Rows:
    starts = range(0, len(pixels), BATCH)
    return np.concatenate([run(pixels[i : i + BATCH].astype(np.float32)) for i in starts])


FORMATS: Mapping[str, Format] = {
    "keras": Format(MODEL_FILE, _write_keras, _run_keras),
    "savedmodel": Format("savedmodel", _write_saved_model, _run_saved_model),
    "tflite": Format("model.tflite", _write_tflite, _run_tflite),
    "tflite-int8": Format(
        "model-int8.tflite", _write_int8, _run_tflite, tolerance=0.1, calibrated=True
    ),
    "onnx": Format("model.onnx", _write_onnx, _run_onnx),
}
"""Format -> how it is written. Kernels of other runtimes round differently, int8 does by design."""
