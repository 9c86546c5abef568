"""One backbone on several runtimes, for `benchmarks.looking`: squares in, pooled features out.

    python -m benchmarks.looking_runtimes FOLDER BACKBONE…

times Keras, LiteRT and OpenVINO in turn, in one process on one thread, over squares of a folder's
first twelve pictures. Weights are random (He et al. 2015): the time does not depend on them as long
as activations neither vanish nor overflow.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
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


def random_weights(name: str, folder: Path) -> Path:
    """Write weights that keep the variance from layer to layer; return the file."""
    import keras

    from bodyshop_core.backbones import get

    shape = (224, 224, 3)
    application = getattr(keras.applications, str(get(name).keras_name))
    model = application(include_top=False, weights=None, input_shape=shape)
    rng = np.random.default_rng(7)
    for layer in model.layers:
        if kernel := [each for each in layer.weights if len(each.shape) == 4]:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            inputs = np.prod(kernel[0].shape[: 2 if depthwise else 3])
            kernel[0].assign(rng.standard_normal(kernel[0].shape) * np.sqrt(2 / inputs))
    file = folder / f"{name}.weights.h5"
    model.save_weights(file)
    return file


def main() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    from bodyshop_core.imaging import fit_square, load_rgb

    folder, *names = sys.argv[1:]
    files = sorted(Path(folder).iterdir())[:12]
    squares = np.stack([fit_square(load_rgb(file, at_least=448), 224) for file in files])
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            file = random_weights(name, Path(scratch))
            kinds = ("keras", "litert", "openvino")
            runs = {kind: RUNTIMES[kind](name, file, squares)[0] for kind in kinds}
        spent: dict[str, list[float]] = {kind: [] for kind in runs}
        for turn in range(6):
            for kind, run in runs.items():
                begun = time.process_time()
                run(squares)
                if turn:
                    spent[kind].append(1e3 * (time.process_time() - begun) / len(squares))
        for kind, each in spent.items():
            print(
                f"{name} {kind}: {statistics.median(each):.1f} CPU-ms per square, "
                f"{min(each):.1f} to {max(each):.1f}; load {os.getloadavg()[0]:.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
