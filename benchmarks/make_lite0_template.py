"""Make the files from which EfficientNet-Lite0 is put together without TensorFlow.

    python -m benchmarks.make_lite0_template
    python -m benchmarks.make_lite0_template --int8 FILE

It converts the network with Keras and LiteRT's converter, finds every constant of it among the
weights of the package (largest difference printed), writes zeros in their place, and stores what
is left with the list of places in ``bodyshop_core/backbones``. Run it when the converter writes
another structure, or when `bodyshop_core.backbones.lite` changes. FILE is the network in 8 bits,
calibrated on pictures: ``python -m benchmarks.looking_int8 DATA --keep FILE``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import bodyshop_core.backbones
from bodyshop_core import atomic
from bodyshop_core.backbones.assembled import (
    FLOAT_LITE0,
    INT8_LITE0,
    Assembled,
    lite0_constants,
    rounded,
)
from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.scorer import scorer_model
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.inference.convert import convert

NAME = "efficientnet-lite0"
TOLERANCE = 1e-6
"""Of the largest value of a constant: the converter rounds at other places."""

STEPS = 2
"""A rounded value may lie so many beside the converter's, which divides with single precision; the
bytes that differ are stored."""


def main() -> None:
    """Take the weights out of a converted network, and store the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--int8", type=Path, help="the network in 8 bits")
    options = parser.parse_args()
    arrays = dict(lite0_constants(read_state_dict(lite0_weights())))
    if options.int8 is not None:
        store(INT8_LITE0, *without_int8(options.int8.read_bytes(), arrays))
        return
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "lite0.tflite"
        convert(scorer_model(NAME, None, lite0_weights()), file)
        store(FLOAT_LITE0, *without_float32(file.read_bytes(), arrays))


def store(network: Assembled, data: bytes, places: dict[str, Any]) -> None:
    folder = Path(bodyshop_core.backbones.__file__).parent
    packed = lzma.compress(data, preset=9)
    atomic.write_bytes(folder / network.template, packed)
    atomic.write_text(folder / network.places, json.dumps(places, indent=1) + "\n")
    print(f"{network.template}: {len(packed):,} bytes for {len(data):,}")


def without_float32(file: bytes, arrays: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Return the file without its weights, and the places of these."""
    data, whole, worst = bytearray(file), bytearray(file), 0.0
    free = constants_of(file)
    offsets: dict[str, int] = {}
    for name, value in arrays.items():
        difference = partial(_difference, file, value)
        offset = min((o for o, size in free.items() if size == value.nbytes), key=difference)
        worst = max(worst, difference(offset))
        if difference(offset) > TOLERANCE:
            raise SystemExit(f"{name} was not found in the converted network")
        del free[offset]
        offsets[name] = offset
        whole[offset : offset + value.nbytes] = value.tobytes()
        data[offset : offset + value.nbytes] = bytes(value.nbytes)
    if left := {offset: size for offset, size in free.items() if size > 256}:
        raise SystemExit(f"constants that are no weights: {left}")
    print(f"{len(offsets)} constants, largest relative difference {worst:.1e}")
    return bytes(data), {"sha256": hashlib.sha256(whole).hexdigest(), "offsets": offsets}


def without_int8(file: bytes, arrays: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Return the file without its weights, their places, and bytes that rounding does not give."""
    data, whole = bytearray(file), bytearray(file)
    free = int8_constants_of(file)
    places: dict[str, dict[str, int]] = {}
    for name, value in arrays.items():
        width = 4 if value.ndim == 1 else 1
        found = [
            place for place in free
            if (place["values"], place["width"]) == (value.size, width)
            and place["axis"] < value.ndim and place["steps"] == value.shape[place["axis"]]
        ]  # fmt: skip
        difference = partial(_difference_in_steps, file, value)
        place = min(found, key=difference)
        if difference(place) > STEPS:
            raise SystemExit(f"{name} was not found in the converted network")
        free.remove(place)
        places[name] = {key: place[key] for key in ("offset", "scales", "axis")}
        made = rounded(value, file, place).tobytes()
        whole[place["offset"] : place["offset"] + len(made)] = made
        data[place["offset"] : place["offset"] + len(made)] = bytes(len(made))
    patches = {str(at): file[at] for at in range(len(file)) if file[at] != whole[at]}
    print(f"{len(places)} constants, {len(patches)} bytes rounded otherwise")
    sha256 = hashlib.sha256(file).hexdigest()
    return bytes(data), {"sha256": sha256, "offsets": places, "patches": patches}


def int8_constants_of(file: bytes) -> list[dict[str, int]]:
    """Return place and steps of every constant with a step per channel, or one of its own."""
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.Model.GetRootAs(file, 0)
    graph = model.Subgraphs(0)
    start = np.frombuffer(file, np.uint8).__array_interface__["data"][0]
    widths = {schema.TensorType.INT8: 1, schema.TensorType.INT32: 4}
    found = []
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer, steps = model.Buffers(tensor.Buffer()), tensor.Quantization()
        if not buffer.DataLength() or steps is None or not steps.ScaleLength():
            continue
        place = {
            "values": buffer.DataLength() // widths[tensor.Type()],
            "width": widths[tensor.Type()],
            "steps": steps.ScaleLength(),
            "axis": steps.QuantizedDimension(),
            "offset": buffer.DataAsNumpy().__array_interface__["data"][0] - start,
            "scales": steps.ScaleAsNumpy().__array_interface__["data"][0] - start,
        }
        found.append(place)
    return found


def constants_of(data: bytes) -> dict[int, int]:
    """Return offset -> size, in bytes, of every buffer of a LiteRT file."""
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.Model.GetRootAs(data, 0)
    start = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    found: dict[int, int] = {}
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            at = buffer.DataAsNumpy().__array_interface__["data"][0]
            found[at - start] = buffer.DataLength()
    return found


def _difference_in_steps(data: bytes, value: np.ndarray[Any, Any], place: dict[str, int]) -> float:
    made = rounded(value, data, place)
    there = np.frombuffer(data, made.dtype, made.size, place["offset"])
    apart = np.abs(made.ravel().astype(np.int64) - there)
    return float((apart / (1 + TOLERANCE * np.abs(there.astype(np.float64)))).max())


def _difference(data: bytes, value: np.ndarray[Any, Any], offset: int) -> float:
    there = np.frombuffer(data, np.float32, value.size, offset)
    return float(np.abs(there - value.ravel()).max() / np.abs(value).max())


if __name__ == "__main__":
    main()
