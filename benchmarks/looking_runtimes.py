"""One backbone on several runtimes, for `benchmarks.looking`: squares in, pooled features out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Squares = Any
Run = Callable[[Squares], Any]


def keras(name: str, weights: Path | None, squares: Squares) -> tuple[Run, str]:
    """Batches of 32 through a compiled function."""
    from train.models.inference import predict

    model = _model(name, weights)
    return lambda rows: predict(model, rows, batch=32), "batches of 32"


def litert(name: str, weights: Path | None, squares: Squares) -> tuple[Run, str]:
    """Float32, as bodyshop runs it: converted before, opened from the cache."""
    from bodyshop_core.backbones import frozen_backbone

    network = frozen_backbone(name, weights)
    return lambda rows: network.run(rows)["features"], "one at a time"


def litert_int8(name: str, weights: Path | None, squares: Squares) -> tuple[Run, str]:
    """Weights and activations in 8 bits, calibrated on every third square."""
    import tensorflow as tf

    from bodyshop_core.inference.litert import new_interpreter

    with tempfile.TemporaryDirectory() as folder:
        _model(name, weights).export(f"{folder}/saved", format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(f"{folder}/saved")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [square[None].astype(np.float32)] for square in squares[::3]
        )
        file = Path(folder) / "model.tflite"
        file.write_bytes(converter.convert())
        interpreter = new_interpreter(file)
        size = file.stat().st_size
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def one(square: Squares) -> Any:
        interpreter.set_tensor(source, square[None].astype(np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(result)[0]

    return lambda rows: np.stack([one(square) for square in rows]), f"{size / 1e6:.1f} MB"


def openvino(name: str, weights: Path | None, squares: Squares) -> tuple[Run, str]:
    """OpenVINO at the precision of float32, from the TFLite file."""
    import openvino as ov

    from bodyshop_core.backbones import frozen_backbone

    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(
        core.read_model(frozen_backbone(name, weights).file), "CPU", settings
    )

    def one(square: Squares) -> Any:
        return next(iter(compiled(square[None].astype(np.float32)).values()))[0]

    return lambda rows: np.stack([one(square) for square in rows]), "one at a time, f32"


def onnx(name: str, weights: Path | None, squares: Squares) -> tuple[Run, str]:
    """ONNX Runtime on one thread, from what Keras exports (extra ``onnx``)."""
    import onnxruntime
    import tf2onnx  # noqa: F401 - Keras needs it

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        model = _model(name, weights)
        model(squares[:1].astype(np.float32))  # Keras exports only what was called
        model.export(file, format="onnx", verbose=False, opset_version=17)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
    (source,) = (each.name for each in session.get_inputs())

    def one(square: Squares) -> Any:
        return session.run(None, {source: square[None].astype(np.float32)})[0][0]

    return lambda rows: np.stack([one(square) for square in rows]), "one at a time"


def _model(name: str, weights: Path | None) -> Any:
    import keras
    from keras import layers

    from bodyshop_core.backbones import build, get

    base = build(name, weights=weights)
    last = base.get_layer(get(name).feature_layer).output
    return keras.Model(base.input, layers.GlobalAveragePooling2D()(last))


RUNTIMES = {
    "keras": keras,
    "litert": litert,
    "litert-int8": litert_int8,
    "openvino": openvino,
    "onnx": onnx,
}
