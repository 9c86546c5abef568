"""Make the file from which EfficientNet-Lite0 is put together without TensorFlow.

    python -m benchmarks.make_lite0_template

It converts the network with Keras and LiteRT's converter, finds every constant of it among the
weights of the package (largest difference printed), writes zeros in their place, and stores what
is left with the list of places in ``bodyshop_core/backbones``. Run it when the converter writes
another structure, or when `bodyshop_core.backbones.lite` changes.
"""

from __future__ import annotations

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
from bodyshop_core.backbones.assembled import PLACES, TEMPLATE, lite0_constants
from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.scorer import scorer_model
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.inference.convert import convert

NAME = "efficientnet-lite0"
TOLERANCE = 1e-6
"""Of the largest value of a constant: the converter rounds at other places."""


def main() -> None:
    """Convert, take out the weights, store the rest."""
    folder = Path(bodyshop_core.backbones.__file__).parent
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "lite0.tflite"
        convert(scorer_model(NAME, None, lite0_weights()), file)
        data = bytearray(file.read_bytes())
    free = constants_of(bytes(data))
    offsets: dict[str, int] = {}
    whole, worst = bytearray(data), 0.0
    for name, value in lite0_constants(read_state_dict(lite0_weights())):
        difference = partial(_difference, bytes(data), value)
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
    packed = lzma.compress(bytes(data), preset=9)
    atomic.write_bytes(folder / TEMPLATE, packed)
    places = {"sha256": hashlib.sha256(whole).hexdigest(), "offsets": offsets}
    atomic.write_text(folder / PLACES, json.dumps(places, indent=1) + "\n")
    print(
        f"{len(offsets)} constants, largest relative difference {worst:.1e}; "
        f"{TEMPLATE}: {len(packed):,} bytes for {len(data):,}"
    )


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


def _difference(data: bytes, value: np.ndarray[Any, Any], offset: int) -> float:
    there = np.frombuffer(data, np.float32, value.size, offset)
    return float(np.abs(there - value.ravel()).max() / np.abs(value).max())


if __name__ == "__main__":
    main()
